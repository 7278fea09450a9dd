"""Make properties repeatable: the same examples on every machine."""

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "opwatch",
    derandomize=True,
    deadline=None,
    database=None,
    print_blob=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("opwatch")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Count no lines here: it takes three times as long, and unit tests reach them all."""
    item.add_marker("no_cover")

"""Count no lines in properties: it takes three times as long, and unit tests reach them all."""

import pytest


def pytest_itemcollected(item: pytest.Item) -> None:
    """Leave a property out of the coverage."""
    item.add_marker("no_cover")

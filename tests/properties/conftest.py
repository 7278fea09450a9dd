"""Make properties repeatable: the same examples on every machine."""

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

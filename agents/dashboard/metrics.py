"""Define what the dashboard counts about itself."""

from prometheus_client import Counter

failures = Counter(
    "opwatch_dashboard_failures",
    "Pages and requests that failed by a fault of the dashboard; its log has each.",
    ["edge"],
    registry=None,
)

"""Define the alert role's metrics once; `/metrics` shows them to Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

decisions = Counter(
    "opwatch_alert_decisions", "Decisions published; again after a kill.", ["reason"]
)
deliveries = Counter(
    "opwatch_delivery_attempts",
    "Requests to receivers by what came of them: sent, retry, rejected.",
    ["channel", "outcome"],
)
delivery_seconds = Histogram(
    "opwatch_delivery_seconds",
    "From a request to its answer.",
    ["channel"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
notification_seconds = Histogram(
    "opwatch_notification_seconds",
    "From deciding on a message to its delivery, waits and retries included.",
    ["channel"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600),
)
gave_up = Counter(
    "opwatch_deliveries_given_up",
    "Messages that could not be delivered: each is a dead letter.",
    ["channel"],
)
queued = Gauge("opwatch_deliveries_queued", "Messages that wait for a channel.", ["channel"])
circuit_open = Gauge(
    "opwatch_circuit_open",
    "1 while nothing is sent to a channel, since it seems dead.",
    ["channel"],
)
unusable = Gauge(
    "opwatch_channel_unusable", "1 for a channel whose secret is missing or wrong.", ["channel"]
)
write_seconds = Histogram(
    "opwatch_alert_write_seconds",
    "One round of writing rows and publishing decisions.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)

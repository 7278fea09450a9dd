"""Define every self-metric once; `/metrics` shows them to Prometheus."""

import contextlib
from collections.abc import Iterable

from prometheus_client import Counter, Gauge, Histogram

operations = Counter(
    "opwatch_operations", "Operations folded in and published to windows; again after a restart."
)
operations_ahead = Counter(
    "opwatch_operations_ahead",
    "Operations further ahead of this worker's clock than OPWATCH_FUTURE_S; again after a restart.",
    ["operation", "platform"],
)
dead_letters = Counter("opwatch_dead_letters", "Records and elements refused.", ["reason"])
kafka_away = Gauge("opwatch_kafka_away", "1 while no broker answers.")
topic_misfits = Gauge("opwatch_topic_misfits", "Topics that are not as they should be.")
pinned_partitions = Gauge(
    "opwatch_pinned_partitions", "Partitions that an open transaction holds for 10 s and longer."
)
lost_records = Counter(
    "opwatch_lost_records",
    "Records that Kafka removed before they were read, at most.",
    ["topic", "partition"],
)
lag = Gauge("opwatch_lag_records", "Records not read yet.", ["topic", "partition"])
unheard_sources = Gauge(
    "opwatch_unheard_sources",
    "Source partitions that hold windows open: no worker has published their progress yet.",
    ["partition"],
)
watermark_delay = Gauge(
    "opwatch_watermark_delay_seconds", "Now less the slowest source's event time.", ["partition"]
)
flush_seconds = Histogram(
    "opwatch_flush_seconds",
    "From folding a block's rows to the broker having them.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
beat_seconds = Histogram(
    "opwatch_beat_seconds",
    "One beat of windows: publish, write, commit.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
publish_delay = Gauge(
    "opwatch_publish_delay_seconds", "How long past its interval the oldest changed window waits."
)
aggregates = Counter("opwatch_aggregates", "Revisions published.", ["final"])
series = Gauge("opwatch_series", "Series with rows.", ["partition"])
rows = Gauge("opwatch_rows", "Rows in the windows table.", ["partition"])
late_revisions = Counter("opwatch_late_revisions", "Final windows revised by late data.")
held_finals = Gauge(
    "opwatch_held_finals", "Windows that cannot be final: a source is unheard of.", ["partition"]
)
recovering = Gauge("opwatch_recovering", "1 while the table is being restored.")
services = Gauge("opwatch_services", "Services that have sent a heartbeat.", ["partition"])
services_down = Gauge(
    "opwatch_services_down",
    "Services that are down: by their own heartbeat, or silent.",
    ["partition"],
)
heartbeats = Counter("opwatch_heartbeats", "Heartbeats folded in; again after a restart.")
services_behind = Gauge(
    "opwatch_services_unjudged",
    "1 while nobody is judged silent: the heartbeats are not read to their end.",
    ["partition"],
)
rules_evaluations = Counter(
    "opwatch_rules_evaluations", "Windows that rules were evaluated for; again after a restart."
)
aggregates_refused = Counter(
    "opwatch_aggregates_refused", "Records on `aggregates` that rules cannot use: left out."
)
breaches = Counter("opwatch_breaches", "Messages on `breaches`.", ["state", "severity"])
firing = Gauge("opwatch_breaches_open", "Breaches that are open.", ["partition"])
rules_reload_failed = Gauge(
    "opwatch_rules_reload_failed", "1 while the rule file is wrong and the rules before it stand."
)


def forget(gauges: Iterable[Gauge], *labels: object) -> None:
    """Remove the gauges of a partition that another worker has now."""
    for gauge in gauges:
        with contextlib.suppress(KeyError):
            gauge.remove(*labels)

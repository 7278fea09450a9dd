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
# received = scored + left out + pending + dead letters, at any moment.
analyses_received = Counter(
    "opwatch_analyses_received", "Analyses taken in; again after a restart."
)
analyses_scored = Counter("opwatch_analyses_scored", "Analyses whose score is published.")
analyses_left_out = Counter(
    "opwatch_analyses_left_out",
    "Analyses without a score here: no assessor answered, or the partition went to another worker.",
    ["why"],
)
analyses_pending = Gauge("opwatch_analyses_pending", "Analyses taken in, whose score is to come.")
analyses_dead_letters = Counter(
    "opwatch_analyses_dead_letters", "Records on `analyses` that are refused."
)
analyses_unscored = Counter(
    "opwatch_analyses_unscored", "Analyses that went out before their score, which followed."
)
scores_folded = Counter(
    "opwatch_scores_folded", "Scores folded in and published to windows; again after a restart."
)
score_seconds = Histogram(
    "opwatch_score_seconds",
    "From taking an analysis in to the broker having it on `scored-analyses`.",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.6, 1, 2.5, 10),
)
assessments_left_out = Counter(
    "opwatch_assessments_left_out", "Dimensions that are in no score.", ["dimension", "why"]
)
remediations = Counter(
    "opwatch_remediations",
    "Bad analyses by what followed, and repeats by whether they are better.",
    ["outcome"],
)
quality_inputs = Gauge("opwatch_quality_inputs", "Inputs that are remembered.", ["partition"])
labels_read = Counter("opwatch_labels", "Labels folded in; again after a restart.")


def forget(gauges: Iterable[Gauge], *labels: object) -> None:
    """Remove the gauges of a partition that another worker has now."""
    for gauge in gauges:
        with contextlib.suppress(KeyError):
            gauge.remove(*labels)

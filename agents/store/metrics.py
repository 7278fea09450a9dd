"""Define the self-metrics of the store role."""

from prometheus_client import Counter, Gauge, Histogram

rows = Counter("opwatch_store_rows", "Rows written; again after a restart.", ["table"])
stored_before = Counter("opwatch_store_known", "Rows that the database had already.")
not_stored = Counter("opwatch_store_refused", "Records that cannot be stored.", ["topic"])
database_away = Gauge("opwatch_database_away", "1 while the database takes no rows.")
write_seconds = Histogram(
    "opwatch_store_write_seconds",
    "A transaction with a batch of rows.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)

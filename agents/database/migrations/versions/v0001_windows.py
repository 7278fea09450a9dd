"""Make performance_metrics, the partitioned tables of windows, and the offsets."""

from alembic import context, op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

#: The specification's statements, unchanged but for IF NOT EXISTS: a table that was made by hand
#: is taken over as it is.
_PERFORMANCE_METRICS = """
CREATE TABLE performance_metrics (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  metric_type VARCHAR(50) NOT NULL,
  platform VARCHAR(50),
  metric_value DECIMAL(10,4) NOT NULL,
  measurement_window VARCHAR(20) NOT NULL,
  measured_at TIMESTAMP DEFAULT NOW(),
  additional_data JSONB
)
"""
_PERFORMANCE_METRICS_INDEX = """
CREATE INDEX IF NOT EXISTS idx_performance_metrics_type_platform_time
  ON performance_metrics(metric_type, platform, measured_at DESC)
"""
_OURS = "Final windows as figures: made by opwatch"

_SIZES = ("1m", "5m", "1h", "6h", "24h", "7d")

_TABLES = (
    (
        "windows",
        "The latest revision of each window of operations: a row a series, size and start",
        """
        CREATE TABLE windows (
          series text NOT NULL,
          size text NOT NULL,
          start_at timestamptz NOT NULL,
          end_at timestamptz NOT NULL,
          operation text NOT NULL,
          platform text,
          confidence text,
          revision bigint NOT NULL,
          final boolean NOT NULL,
          missing bigint NOT NULL,
          count bigint NOT NULL,
          successes bigint NOT NULL,
          failures bigint NOT NULL,
          success_rate double precision,
          duration_sum_ms double precision NOT NULL,
          mean_ms double precision NOT NULL,
          min_ms double precision NOT NULL,
          max_ms double precision NOT NULL,
          std_dev_ms double precision NOT NULL,
          p50_ms double precision NOT NULL,
          p90_ms double precision NOT NULL,
          p95_ms double precision NOT NULL,
          p99_ms double precision NOT NULL,
          cache_lookups bigint NOT NULL,
          cache_hits bigint NOT NULL,
          cache_misses bigint NOT NULL,
          cache_evictions bigint NOT NULL,
          cache_average_ttl_s double precision,
          cache_ttl_count bigint NOT NULL,
          mean_confidence double precision,
          confidence_count bigint NOT NULL,
          failures_by_type jsonb,
          trend jsonb,
          exemplars jsonb NOT NULL,
          digest bytea NOT NULL,
          flags text[] NOT NULL DEFAULT '{}',
          PRIMARY KEY (series, size, start_at)
        ) PARTITION BY LIST (size)
        """,
    ),
    (
        "quality_windows",
        "The latest revision of each window of scores: a row a series, size and start",
        """
        CREATE TABLE quality_windows (
          series text NOT NULL,
          size text NOT NULL,
          start_at timestamptz NOT NULL,
          end_at timestamptz NOT NULL,
          dimension text NOT NULL,
          operation text NOT NULL,
          platform text,
          model text,
          revision bigint NOT NULL,
          final boolean NOT NULL,
          missing bigint NOT NULL,
          count bigint NOT NULL,
          mean double precision NOT NULL,
          min double precision NOT NULL,
          max double precision NOT NULL,
          std_dev double precision NOT NULL,
          p5 double precision NOT NULL,
          p50 double precision NOT NULL,
          good bigint NOT NULL,
          acceptable bigint NOT NULL,
          trend jsonb,
          exemplars jsonb NOT NULL,
          findings jsonb,
          actions jsonb NOT NULL,
          configurations text[] NOT NULL,
          digest bytea NOT NULL,
          flags text[] NOT NULL DEFAULT '{}',
          PRIMARY KEY (series, size, start_at)
        ) PARTITION BY LIST (size)
        """,
    ),
    (
        "consumed_offsets",
        "How far each topic is stored; written in the transaction that stores it",
        """
        CREATE TABLE consumed_offsets (
          topic text NOT NULL,
          partition integer NOT NULL,
          topic_id text NOT NULL,
          next_offset bigint NOT NULL,
          written_at timestamptz NOT NULL DEFAULT now(),
          PRIMARY KEY (topic, partition)
        )
        """,
    ),
)
_PARTITIONED = ("windows", "quality_windows")

#: Its owner's rights: who writes rows need not own tables. To attach a partition holds up neither
#: readers nor writers; to create one as `PARTITION OF` would.
_MAKE_PARTITION = """
CREATE FUNCTION make_partition(parent text, size text, at timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = "{schema}", pg_temp SET timezone = 'UTC' AS $$
DECLARE
  unit text := CASE size WHEN '1m' THEN 'day' WHEN '5m' THEN 'week' WHEN '1h' THEN 'month'
    WHEN '6h' THEN 'year' WHEN '24h' THEN 'decade' WHEN '7d' THEN 'decade' END;
  begins timestamptz := date_trunc(unit, at);
  ends timestamptz := begins + ('1 ' || unit)::interval;
  above text := parent || '_' || size;
  name text := above || '_' || to_char(begins, 'YYYYMMDD');
BEGIN
  IF parent NOT IN ('windows', 'quality_windows') OR unit IS NULL THEN
    RAISE EXCEPTION '% has no partitions of size %', parent, size;
  END IF;
  IF to_regclass(format('%I', name)) IS NOT NULL THEN
    RETURN name;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext(name));
  -- to_regclass may remember what it found before the lock
  IF NOT EXISTS (SELECT FROM pg_class WHERE relname = name
    AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = parent::regclass)) THEN
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', name, above);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
      above, name, begins, ends);
  END IF;
  RETURN name;
END $$
"""


def upgrade() -> None:
    """Make the tables."""
    bind = op.get_bind()
    there = "SELECT to_regclass('performance_metrics') IS NOT NULL"
    if not bind.exec_driver_sql(there).scalar():
        op.execute(_PERFORMANCE_METRICS)
        op.execute(f"COMMENT ON TABLE performance_metrics IS '{_OURS}'")
    op.execute(_PERFORMANCE_METRICS_INDEX)
    for name, comment, statement in _TABLES:
        op.execute(statement)
        op.execute(f"COMMENT ON TABLE {name} IS '{comment}'")
    for name in _PARTITIONED:
        # It is packed already.
        op.execute(f"ALTER TABLE {name} ALTER COLUMN digest SET STORAGE EXTERNAL")
        for size in _SIZES:
            op.execute(
                f"CREATE TABLE {name}_{size} PARTITION OF {name} FOR VALUES IN ('{size}')"
                " PARTITION BY RANGE (start_at)"
            )
    op.execute(_MAKE_PARTITION.replace("{schema}", context.config.attributes["schema"]))
    op.execute("REVOKE EXECUTE ON FUNCTION make_partition FROM PUBLIC")


def downgrade() -> None:
    """Remove the tables, but a performance_metrics that was there before."""
    op.execute("DROP FUNCTION make_partition")
    for name, _, _ in reversed(_TABLES):
        op.execute(f"DROP TABLE {name}")
    bind = op.get_bind()
    ours = "SELECT obj_description('performance_metrics'::regclass) = %s"
    if bind.exec_driver_sql(ours % f"'{_OURS}'").scalar():
        op.execute("DROP TABLE performance_metrics")

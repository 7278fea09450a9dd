"""Make a table for each other kind of record: services, scores, labels, alerts, dead letters."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TABLES = (
    (
        "services",
        "The latest revision of each window of a service: how long it was up",
        """
        CREATE TABLE services (
          service text NOT NULL,
          size text NOT NULL,
          start_at timestamptz NOT NULL,
          end_at timestamptz NOT NULL,
          revision bigint NOT NULL,
          final boolean NOT NULL,
          status text NOT NULL,
          since_at timestamptz NOT NULL,
          silent boolean NOT NULL,
          last_beat_at timestamptz,
          every_s double precision NOT NULL,
          message text,
          up_ms bigint NOT NULL,
          degraded_ms bigint NOT NULL,
          down_ms bigint NOT NULL,
          unknown_ms bigint NOT NULL,
          uptime double precision,
          forgotten boolean NOT NULL,
          flags text[] NOT NULL DEFAULT '{}',
          PRIMARY KEY (service, size, start_at)
        )
        """,
    ),
    (
        "calibrations",
        "The latest revision of each calibration window: how well estimates meet the truth",
        """
        CREATE TABLE calibrations (
          service text NOT NULL,
          operation text NOT NULL,
          model text NOT NULL,
          size text NOT NULL,
          start_at timestamptz NOT NULL,
          end_at timestamptz NOT NULL,
          revision bigint NOT NULL,
          final boolean NOT NULL,
          count bigint NOT NULL,
          right_count bigint NOT NULL,
          accuracy double precision,
          confidence jsonb NOT NULL,
          overall jsonb NOT NULL,
          flags text[] NOT NULL DEFAULT '{}',
          PRIMARY KEY (service, operation, model, size, start_at)
        )
        """,
    ),
    (
        "quality_scores",
        "The score of each analysis, the latest one",
        """
        CREATE TABLE quality_scores (
          analysis text PRIMARY KEY,
          service text NOT NULL,
          operation text NOT NULL,
          platform text NOT NULL,
          model text NOT NULL,
          occurred_at timestamptz NOT NULL,
          overall double precision,
          dimensions jsonb NOT NULL,
          left_out jsonb NOT NULL,
          actions text[] NOT NULL,
          configuration text NOT NULL,
          took_ms double precision NOT NULL,
          source_partition integer NOT NULL,
          source_offset bigint NOT NULL,
          remediates text,
          flags text[] NOT NULL DEFAULT '{}'
        )
        """,
    ),
    (
        "labels",
        "What was true of an analysis or an input after all: a row for each thing and source",
        """
        CREATE TABLE labels (
          id uuid PRIMARY KEY,
          analysis text,
          input_hash text,
          about text NOT NULL,
          truth jsonb,
          verified boolean NOT NULL,
          source text NOT NULL,
          at timestamptz NOT NULL,
          flags text[] NOT NULL DEFAULT '{}'
        )
        """,
    ),
    (
        "alerts",
        "Each episode of a breach as it stands, from its opening to its end",
        """
        CREATE TABLE alerts (
          id text PRIMARY KEY,
          revision bigint NOT NULL,
          state text NOT NULL,
          why text NOT NULL,
          fingerprint text NOT NULL,
          rule text NOT NULL,
          kind text NOT NULL,
          series text NOT NULL,
          labels jsonb NOT NULL,
          severity text NOT NULL,
          metric text,
          operator text,
          threshold double precision,
          observed double precision,
          unit text NOT NULL,
          samples bigint NOT NULL,
          evidence jsonb NOT NULL,
          span_start_at timestamptz NOT NULL,
          span_end_at timestamptz NOT NULL,
          since_at timestamptz NOT NULL,
          opened_at timestamptz NOT NULL,
          resolved_at timestamptz,
          confirmed boolean NOT NULL,
          judged boolean NOT NULL,
          stale boolean NOT NULL,
          summary text NOT NULL,
          exemplars jsonb NOT NULL,
          runbook text,
          dashboard text,
          routing jsonb NOT NULL,
          rules_hash text NOT NULL,
          flags text[] NOT NULL DEFAULT '{}'
        )
        """,
    ),
    (
        "acknowledgements",
        "Who acknowledged which episode, and when: the first time",
        """
        CREATE TABLE acknowledgements (
          alert text PRIMARY KEY,
          fingerprint text NOT NULL,
          command text NOT NULL,
          by text NOT NULL,
          at timestamptz NOT NULL,
          comment text NOT NULL,
          flags text[] NOT NULL DEFAULT '{}'
        )
        """,
    ),
    (
        "notifications",
        "Each decision of the alert role: sent or not, and why",
        """
        CREATE TABLE notifications (
          id text PRIMARY KEY,
          fingerprint text NOT NULL,
          alert text,
          rule text,
          series text,
          severity text,
          channel text,
          event text,
          reason text NOT NULL,
          sentence text NOT NULL,
          until_at timestamptz,
          delivery text,
          batch text,
          attempt integer,
          answer text,
          gave_up text,
          decided_at timestamptz NOT NULL,
          cause jsonb NOT NULL,
          flags text[] NOT NULL DEFAULT '{}'
        )
        """,
    ),
    (
        "dead_letters",
        "What was refused, as bytes, with the reason",
        """
        CREATE TABLE dead_letters (
          id uuid PRIMARY KEY,
          key text NOT NULL,
          reason text NOT NULL,
          detail text NOT NULL,
          topic text NOT NULL,
          partition integer NOT NULL,
          "offset" bigint NOT NULL,
          last_offset bigint,
          index integer,
          delivery text,
          refused_at timestamptz NOT NULL,
          size_bytes bigint NOT NULL,
          sha256 text NOT NULL,
          truncated boolean NOT NULL,
          value bytea NOT NULL,
          flags text[] NOT NULL DEFAULT '{}'
        )
        """,
    ),
)
#: The columns of time by which reports, and pruning, look for rows.
_INDEXES = (
    "CREATE INDEX quality_scores_occurred_at ON quality_scores (occurred_at)",
    "CREATE INDEX labels_at ON labels (at)",
    "CREATE INDEX alerts_opened_at ON alerts (opened_at)",
    "CREATE INDEX notifications_decided_at ON notifications (decided_at)",
    "CREATE INDEX notifications_alert ON notifications (alert, decided_at)",
    "CREATE INDEX dead_letters_refused_at ON dead_letters (refused_at)",
    "CREATE INDEX services_start_at ON services (size, start_at)",
)


def upgrade() -> None:
    """Make the tables."""
    for name, comment, statement in _TABLES:
        op.execute(statement)
        op.execute(f"COMMENT ON TABLE {name} IS '{comment}'")
    for statement in _INDEXES:
        op.execute(statement)


def downgrade() -> None:
    """Remove the tables."""
    for name, _, _ in reversed(_TABLES):
        op.execute(f"DROP TABLE {name}")

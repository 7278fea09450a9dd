"""Name a rule, the shipped rule file, and when what is judged begins."""

START_MS = 1_772_409_600_000  # Monday 2026-03-02 00:00 UTC
DEFAULT = "config/opwatch.yaml"
RULES = """\
rules:
  - name: errors
    kind: metric_threshold
    metric: error_rate
    each: platform
    operator: greater_than
    threshold: 5
    window: 5m
    severity: high
"""

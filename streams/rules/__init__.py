"""Judge aggregates by rules: the public face is streams.rules.evaluator."""

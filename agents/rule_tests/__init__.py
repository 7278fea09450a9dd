"""Judge made-up or recorded aggregates by a rule file: `opwatch rules test` and `backtest`."""

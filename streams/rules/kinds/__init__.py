"""Judge a series at a minute, a module a kind of rule: `judge` and `evidence`."""

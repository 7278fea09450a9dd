"""Measure this worker beside others: one broker, the same records, one after another."""

"""Measure operations: decode, fold into blocks and windows, publish aggregates."""

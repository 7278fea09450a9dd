"""Decide who is told of a breach, when, and why not: pure, and the same again from the log."""

"""Decide on notifications: pure, so that the log gives the same decisions again."""

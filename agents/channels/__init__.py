"""Reach the receivers: one sender a channel type, each answering `Sent`, `Retry` or `Rejected`."""

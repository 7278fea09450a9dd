"""Reach the receivers: one adapter a channel type, each answering `Sent`, `Retry` or `Rejected`."""

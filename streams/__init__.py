"""Decide, purely: no I/O, no clock, no randomness, no logging."""

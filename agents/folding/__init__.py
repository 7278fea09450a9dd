"""Fold a topic's events into blocks, partials and windows, for whatever role has such a topic."""

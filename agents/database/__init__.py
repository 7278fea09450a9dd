"""Reach the database of history: connections, and the migrations of its tables."""

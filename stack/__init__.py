"""Bring up a real Kafka and a real PostgreSQL on loopback, for development and tests only."""

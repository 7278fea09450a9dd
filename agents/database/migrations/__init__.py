"""Migrations of the tables of history, run by Alembic: a file of `versions` for each step."""

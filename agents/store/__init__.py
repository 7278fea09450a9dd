"""Keep history in PostgreSQL."""

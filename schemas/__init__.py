"""Say what travels on each topic: one module a topic, each a pydantic schema."""

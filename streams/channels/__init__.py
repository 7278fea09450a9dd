"""What a receiver is sent and what its response means: one module a channel type, no network."""

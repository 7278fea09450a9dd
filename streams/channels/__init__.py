"""Write what a receiver is told: one module a channel type, bytes out, no network."""

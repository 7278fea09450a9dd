"""Say from the topics how alerts stand, and why a channel was notified or was not."""

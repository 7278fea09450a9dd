"""Tell from the topics how alerts stand, why somebody was told, and why somebody was not."""

"""Parse job posts of several platforms, and let opwatch measure every step."""

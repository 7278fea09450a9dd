"""Services that show opwatch at work."""

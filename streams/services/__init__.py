"""Keep services: heartbeats in, status and uptime out."""

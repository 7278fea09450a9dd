"""The dashboard: a web process that reads published topics and shows what is true now."""

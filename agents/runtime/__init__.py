"""Run a worker's process: role, settings, logs, metrics, health, watchdog."""

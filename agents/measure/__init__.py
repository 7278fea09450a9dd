"""Run the measure role: ingest, windows, services, rules."""

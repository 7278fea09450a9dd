"""Run the measure role: ingest, windows."""

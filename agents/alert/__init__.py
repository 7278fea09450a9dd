"""Run the alert role: notify the right channels once, and record why."""

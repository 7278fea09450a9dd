"""Run a role as a process: its agents, its tables, its assignments, its end."""

"""What people see at a glance: figures over trailing spans, their states, charts and sentences."""

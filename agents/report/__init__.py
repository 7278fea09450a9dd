"""Report what the history says: read it, put it into tables, draw it."""

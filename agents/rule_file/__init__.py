"""Load the rule file, name every mistake in it, and load it again when it changes."""

"""The steps; a step that was released does not change any more."""

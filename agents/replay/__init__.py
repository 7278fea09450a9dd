"""Read recorded operations and publish them again: `opwatch replay`."""

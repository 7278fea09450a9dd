"""Name the table where the measure role looks for it."""

from agents.table import VersionedTable

__all__ = ["VersionedTable"]

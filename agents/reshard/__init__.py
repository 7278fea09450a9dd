"""Move a running installation to another number of partitions of the measuring plane."""

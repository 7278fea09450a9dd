"""Score analyses: accuracy, performance, reliability, consistency, and all together."""

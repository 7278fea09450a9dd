"""Load the quality file, and the assessors that are installed."""

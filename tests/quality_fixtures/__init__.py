"""Labelled analyses: good ones, and ones with a fault that is planted in a known way."""

"""Receivers that behave as the vendors do: strict about what arrives, scripted in what they say."""

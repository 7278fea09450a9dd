"""Define the levels of confidence that operations are counted by."""

#: Bounds of the confidence levels: low < 0.5 <= medium < 0.8 <= high.
MEDIUM_FROM = 0.5
HIGH_FROM = 0.8
LEVELS = ("low", "medium", "high")

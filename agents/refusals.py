"""Say in a sentence what Kafka refuses for good, and what to do about it."""


class Refusal(Exception):
    """The process cannot go on; the sentence says why and what a person can do."""

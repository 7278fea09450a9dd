"""Name what can go wrong when the stack is brought up; each message is one sentence to act on."""


class StackError(Exception):
    """The stack cannot do what was asked; the message says why and what to do."""


class NoKafka(StackError):
    """None of the ways to a Kafka broker is open on this machine."""


class NoPostgres(StackError):
    """None of the ways to a PostgreSQL server is open on this machine."""

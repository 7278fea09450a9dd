"""What can go wrong when the stack is started; each message says what to do."""


class StackError(Exception):
    """The stack cannot be started or stopped; the message says why and what to do."""


class NoKafka(StackError):
    """No Kafka broker can be started on this machine."""


class NoPostgres(StackError):
    """No PostgreSQL server can be started on this machine."""

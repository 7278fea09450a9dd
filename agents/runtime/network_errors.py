"""Say what an error of the network means, without what its library adds."""

import os
import socket
import ssl


def words(error: BaseException) -> str:
    """Return what the first cause of an error says: `connection refused`."""
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, socket.gaierror):
        return "its name cannot be resolved"
    if (
        isinstance(error, OSError)
        and not isinstance(error, ssl.SSLError)
        and (error.errno or 0) > 0
    ):
        return os.strerror(error.errno or 0).lower()
    return str(error) or type(error).__name__

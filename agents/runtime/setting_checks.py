"""Check what settings name: brokers, networks, hosts, files of certificates.

Each check returns the value, or raises ValueError with a sentence that says what to write.
"""

import re
import ssl
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?\.?|\[[0-9A-Fa-f:.]+\]")
_MOST_PORT = 65_535


def brokers(value: str) -> str:
    """Return a list of brokers, host:port each."""
    found = [broker.strip() for broker in value.split(",")]
    for broker in found:
        host, _, port = broker.rpartition(":")
        if not _HOST.fullmatch(host) or not re.fullmatch(r"[0-9]{1,5}", port):
            message = f"{broker!r} is not host:port"
            raise ValueError(message)
        if not 0 < int(port) <= _MOST_PORT:
            message = f"{broker!r} has no port from 1 to {_MOST_PORT}"
            raise ValueError(message)
    return ",".join(found)


def hosts(value: str) -> str:
    """Return a list of hosts."""
    for host in value.replace(",", " ").split():
        if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", host) is None:
            message = f"{host!r} is no host such as proxy.example.com"
            raise ValueError(message)
    return value


def networks(value: str) -> str:
    """Return a list of networks."""
    for network in value.replace(",", " ").split():
        try:
            ip_network(network)
        except ValueError:
            message = f"{network!r} is no network such as 10.1.2.0/24"
            raise ValueError(message) from None
    return value


def proxy(value: SecretStr | None) -> SecretStr | None:
    """Return the address of a proxy; the message has none of it, since it may have a password."""
    if value is None or not value.get_secret_value():
        return None
    try:
        parts = urlsplit(value.get_secret_value())
        is_whole = bool(_HOST.fullmatch(parts.hostname or "")) and parts.port != 0
    except ValueError:
        is_whole = False
    if not is_whole or parts.scheme not in ("http", "https") or parts.path not in ("", "/"):
        message = "is no address of a proxy such as http://user:password@proxy.example.com:3128"
        raise ValueError(message)
    return value


def ca_file(value: str | None) -> str | None:
    """Return the path of a file with certificates of authorities."""
    if value is not None:
        _readable(value)
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(value)
        except ssl.SSLError:
            message = "holds no certificate: it must be PEM"
            raise ValueError(message) from None
    return value


def key_pair(cert_file: str | None, key_file: str | None) -> None:
    """Check a client's certificate and its key, which may stand in the same file."""
    if cert_file is None:
        if key_file is not None:
            message = "OPWATCH_KAFKA_KEY_FILE needs OPWATCH_KAFKA_CERT_FILE"
            raise ValueError(message)
        return
    try:
        # No password: else it would be asked for on the terminal.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_cert_chain(cert_file, key_file, password="")
    except (ssl.SSLError, ValueError):
        where = "OPWATCH_KAFKA_KEY_FILE" if key_file else "OPWATCH_KAFKA_CERT_FILE"
        message = (
            f"OPWATCH_KAFKA_CERT_FILE and its key in {where} do not fit: they must be PEM, of one"
            " another, and the key without a password"
        )
        raise ValueError(message) from None


def readable(value: str | None) -> str | None:
    """Return the path of a file that can be read."""
    if value is not None:
        _readable(value)
    return value


def _readable(path: str) -> None:
    try:
        with Path(path).open("rb") as file:
            file.read(1)
    except OSError as error:
        message = f"cannot be read: {(error.strerror or 'it is no file').lower()}"
        raise ValueError(message) from None
    except ValueError:  # a path with a zero byte
        message = "is no path"
        raise ValueError(message) from None

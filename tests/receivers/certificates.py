"""Make an authority, and certificates of `localhost` that it signs."""

import ssl
from pathlib import Path

import trustme


class Certificates:
    """An authority that nobody but a test trusts."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self.ca_file = folder / "receivers-ca.pem"
        self._authority.cert_pem.write_to_path(self.ca_file)

    def server(self, name: str = "localhost", protocols: tuple[str, ...] = ()) -> ssl.SSLContext:
        """Return a server's context with a certificate of the name."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(name).configure_cert(context)
        if protocols:
            context.set_alpn_protocols(protocols)
        return context

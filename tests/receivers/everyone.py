"""One receiver of each kind, and what opwatch's environment must say of them."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tests.receivers import pagerduty, slack, teams, twilio, webhook
from tests.receivers.certificates import Certificates
from tests.receivers.http import Receiver, Vendor
from tests.receivers.mail import PASSWORD, USER, MailServer


class VendorModule(Protocol):
    """What the module of a vendor brings."""

    def vendor(self) -> Vendor:
        """Return what reads requests as the vendor would."""
        ...

    def environment(self, url: str) -> dict[str, str]:
        """Return opwatch's environment for the vendor's receiver at `url`."""
        ...

    def address(self, url: str) -> str | None:
        """Return the channel's `url` in the rule file; None if the environment holds it."""
        ...

    def lines(self, body: dict[str, Any]) -> list[str]:
        """Return a message as a person would see it."""
        ...


#: The vendors that speak HTTP, by their channel's type.
VENDORS: Mapping[str, VendorModule] = {
    "slack": slack,
    "pagerduty": pagerduty,
    "sms": twilio,
    "teams": teams,
    "webhook": webhook,
}


@dataclass(frozen=True, kw_only=True)
class Everyone:
    """One receiver of each kind, on this machine."""

    http: Mapping[str, Receiver]
    """Those that speak HTTP, by their channel's type."""
    incidents: pagerduty.PagerDuty
    mail: MailServer
    ca_file: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment with which opwatch reaches them."""
        named = {
            "SMTP_HOST": "localhost",
            "SMTP_PORT": str(self.mail.port),
            "SMTP_USER": USER,
            "SMTP_PASSWORD": PASSWORD,
            "OPWATCH_ALLOW_ADDRESSES": "127.0.0.1",
            "OPWATCH_RECEIVERS_CA_FILE": str(self.ca_file),
        }
        for kind, receiver in self.http.items():
            named |= VENDORS[kind].environment(receiver.url)
        return named

    @property
    def urls(self) -> dict[str, str]:
        """What the rule file must say of the channels whose address is not in the environment."""
        addresses = {kind: VENDORS[kind].address(to.url) for kind, to in self.http.items()}
        return {kind: address for kind, address in addresses.items() if address is not None}


@contextlib.asynccontextmanager
async def everyone(folder: Path, *, tls: bool = True) -> AsyncIterator[Everyone]:
    """Yield the receivers; the folder gets the authority that signed their certificates."""
    certificates = Certificates(folder)
    context = certificates.server() if tls else None
    vendors = {kind: module.vendor() for kind, module in VENDORS.items()}
    incidents = vendors["pagerduty"]
    assert isinstance(incidents, pagerduty.PagerDuty)
    async with contextlib.AsyncExitStack() as stack:
        http = {
            kind: await stack.enter_async_context(Receiver(vendor, context))
            for kind, vendor in vendors.items()
        }
        mail = await stack.enter_async_context(MailServer(certificates.server()))
        yield Everyone(http=http, incidents=incidents, mail=mail, ca_file=certificates.ca_file)

"""Where receivers may be: at no address inside the network, unless settings name it.

A rule file or a name server must not make opwatch post to what only opwatch can reach. So a name
is resolved once, its addresses are checked, and the connection is made to a checked address.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from schemas.channels import Vendor

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[list[str]]]

#: https://www.iana.org/assignments/iana-ipv4-special-registry/; not `is_global`, which differs
#: between the versions of Python.
_SPECIAL_V4 = {
    ip_network("0.0.0.0/8"): "this network",
    ip_network("10.0.0.0/8"): "a private network",
    ip_network("100.64.0.0/10"): "a carrier's network (CGNAT)",
    ip_network("127.0.0.0/8"): "this machine",
    ip_network("169.254.0.0/16"): "the local link",
    ip_network("172.16.0.0/12"): "a private network",
    ip_network("192.0.0.0/24"): "a special network",
    ip_network("192.0.2.0/24"): "a special network",
    ip_network("192.88.99.0/24"): "a special network",
    ip_network("192.168.0.0/16"): "a private network",
    ip_network("198.18.0.0/15"): "a special network",
    ip_network("198.51.100.0/24"): "a special network",
    ip_network("203.0.113.0/24"): "a special network",
    ip_network("224.0.0.0/4"): "a multicast address",
    ip_network("240.0.0.0/4"): "a special network",
}
#: https://www.iana.org/assignments/ipv6-address-space/: all that is assigned to hosts.
_GLOBAL_V6 = IPv6Network("2000::/3")
#: https://www.iana.org/assignments/iana-ipv6-special-registry/; 2001::/23 has Teredo in it and
#: 2002::/16 is 6to4: both carry an IPv4 address.
_SPECIAL_V6 = [
    IPv6Network(text)
    for text in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
]
_MAX_ADDRESSES = 4
#: Only what all parsers of URLs read alike: no user, no backslash, no letters beyond ASCII.
_URL = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[!-\[\]-~]*)?")


class AddressRefused(Exception):
    """A receiver is where nothing may be sent to; the text says where and never its name."""


def networks(text: str) -> tuple[Network, ...]:
    """Return the networks of a list such as `10.1.2.0/24, ::1`.

    Raises:
        ValueError: one of them is not a network.
    """
    return tuple(ip_network(part) for part in text.replace(",", " ").split())


def host_of(url: str) -> str:
    """Return a URL's host; empty if parsers of URLs might read another one."""
    match = _URL.fullmatch(url)
    return match[1].lower().rstrip(".") if match else ""


class Guard:
    """Resolves names, and lets through only addresses of the internet or of the allow-list."""

    def __init__(
        self,
        allowed: Iterable[Network] = (),
        resolve: Resolve | None = None,
        hosts: Iterable[str] = (),
    ) -> None:
        """Let addresses of the internet through, and these.

        Args:
            allowed: networks.
            resolve: returns a name's addresses.
            hosts: that vendors' secrets may be sent to.
        """
        self._allowed = tuple(allowed)
        self._resolve = resolve or _resolve
        self._hosts = frozenset(host.lower() for host in hosts)

    def allows(self, host: str) -> bool:
        """Return whether settings name the host, or the network that the address is in.

        This machine by its name is let through here: `addresses` decides when it is sent to.
        """
        if host in self._hosts or host == "localhost":
            return True
        try:
            address = ip_address(host.strip("[]"))
        except ValueError:
            return False
        return any(address in network for network in self._allowed)

    def allows_vendor(self, host: str, vendor: Vendor) -> bool:
        """Return whether the vendor's secrets may be sent to the host: its own, or an allowed one.

        An empty host is never allowed.
        """
        its_own = vendor.hosts is None or re.fullmatch(vendor.hosts, host) is not None
        return bool(host) and (its_own or self.allows(host))

    async def addresses(self, host: str, port: int, *, plain: bool) -> list[str]:
        """Return where the host may be connected to, in the order to try.

        Args:
            host: a name or an address.
            port: a port there.
            plain: without TLS; then only what the allow-list names is let through.

        Raises:
            AddressRefused: it is nowhere that is let through.
            OSError: the name cannot be resolved.
        """
        found = [ip_address(text) for text in await self._resolve(host, port)]
        refusals = [self._refusal(address, plain=plain) for address in found]
        allowed = [str(at) for at, refusal in zip(found, refusals, strict=True) if refusal is None]
        if allowed:
            return allowed[:_MAX_ADDRESSES]
        raise AddressRefused(
            next(filter(None, refusals), "The receiver's name leads to no address.")
        )

    def _refusal(self, address: Address, *, plain: bool) -> str | None:
        if any(address in network for network in self._allowed):
            return None
        ways_out = f"OPWATCH_ALLOW_ADDRESSES does not name {address}"
        if plain:
            return f"Without TLS only allowed addresses are sent to, and {ways_out}."
        if kind := _kind(address):
            return f"The receiver is at {address}, {kind}, and {ways_out}."
        return None


def _kind(address: Address) -> str | None:
    """Return what the address is, if not one of the internet."""
    if isinstance(address, IPv4Address):
        return next((kind for net, kind in _SPECIAL_V4.items() if address in net), None)
    if (mapped := address.ipv4_mapped) is not None:
        return f"which stands for {mapped}"
    if address not in _GLOBAL_V6 or any(address in net for net in _SPECIAL_V6):
        return "this machine" if address.is_loopback else "an address not of the internet"
    return None


async def _resolve(host: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[4][0]) for address in found))

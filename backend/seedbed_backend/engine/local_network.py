"""Whether a server is on the local network: data that is sent there does not leave the house."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from seedbed.errors import UserError

LOCAL_SUFFIXES = (".local", ".lan", ".internal")
_LOCAL = tuple(
    ipaddress.ip_network(network)
    for network in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
)


def require_local(url: str) -> None:
    """Raise UserError unless every address of the URL's host is a local one.

    Local are loopback, private, link-local and unique-local addresses. A name that cannot be
    resolved now passes when it is bare or ends in .local, .lan or .internal.
    """
    host = urlsplit(url).hostname or ""
    addresses = _addresses(host)
    public = [address for address in addresses if not _is_local(address)]
    if public:
        raise _refusal(url, f"{host} is {public[0]}" if public[0] != host else f"{host} is public")
    if not addresses and "." in host and not host.endswith(LOCAL_SUFFIXES):
        raise _refusal(url, f"the name {host} has no address here")


def _addresses(host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return sorted({str(info[4][0]) for info in found})


def _is_local(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return any((mapped or ip) in network for network in _LOCAL)


def _refusal(url: str, why: str) -> UserError:
    return UserError(
        f"The endpoint {url} is not known to be on the local network: {why}.",
        hint="Seedbed's data stays local: use a server of your own network, or set "
        "SEEDBED_ALLOW_PUBLIC_ENDPOINTS=1 if the data may leave it.",
    )

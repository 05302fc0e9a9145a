"""Which network addresses an import may connect to: the public ones, and those that the operator adds.

A name is resolved once, every address that it has is looked at, and the connection goes to one of those very
addresses: a name that answers differently the second time gains nothing.
"""

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from dataset_service.errors import ImportNotAllowed, SourceUnavailable

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
# Public by their number, yet answered by the host of a virtual machine.
_OF_CLOUDS = frozenset({ip_address("168.63.129.16"), ip_address("192.0.0.192")})
_NAT64 = IPv6Network("64:ff9b::/96")
_NOT_PUBLIC: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        *("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "240.0.0.0/4"),
        *("::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "5f00::/16", "fc00::/7", "fec0::/10"),
    )
)


def plain(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


def is_public(address: Address) -> bool:
    """Whether it is an address of the internet at large."""
    meant = plain(address)
    if not meant.is_global or meant.is_multicast or meant.is_reserved or meant.is_unspecified or meant in _OF_CLOUDS:
        return False
    return not any(meant in network for network in _NOT_PUBLIC if network.version == meant.version)


def check_address(host: str, address: Address, networks: Sequence[Network]) -> None:
    """networks: what the operator lets imports reach although it is not public. Raises ImportNotAllowed."""
    meant = plain(address)
    if is_public(address) or any(meant in network for network in networks if network.version == meant.version):
        return
    raise ImportNotAllowed(
        f"{host} is at an address that is not public; the operator lets imports reach it by IMPORT_ALLOWED_NETWORKS"
    )


async def resolve(host: str, port: int, family: socket.AddressFamily, networks: Sequence[Network]) -> list[Address]:
    """Every address of the host, all of them checked. Raises ImportNotAllowed, SourceUnavailable."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
    except OSError as error:
        raise SourceUnavailable(f"the name {host} is not known; check it", retry_after_s=5) from error
    addresses = [ip_address(str(item[4][0]).partition("%")[0]) for item in found]
    for address in addresses:
        check_address(host, address, networks)
    return addresses

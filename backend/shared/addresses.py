# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that something is fetched from."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from .errors import InputError


def refuse_plain(address: str, setting: str) -> None:
    """Raises InputError when `address`, which `setting` names, is not protected on its way.

    Plain http is for this machine only: whoever is in between can read and change it.
    """
    try:
        parts = urlsplit(address.strip())
        host = parts.hostname or ""
    except ValueError as error:
        raise InputError(f"{setting} is no address ('{address[:80]}'); correct it.") from error
    if parts.scheme.lower() in ("http", "ws", "ftp") and not is_loopback(host):
        raise InputError(
            f"{setting} names '{parts.scheme}://{host}', which anybody on the way can change; use "
            "an address that begins with https://."
        )


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"

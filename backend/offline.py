# SPDX-License-Identifier: GPL-3.0-or-later
"""No word to the network unless it is asked for.

Libraries are told to stay offline, and what one of them tries all the same is refused by Python's
own audit hook: connecting or sending anywhere but to this machine, and asking for the address of a
name.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}
_names = {"", "localhost", "ip6-localhost"}

_lock = threading.Lock()
_asked = 0
_users_own: dict[str, str | None] | None = None
"""What stood in the environment before; None = nothing was forbidden yet."""


def stay_offline() -> None:
    """From now on, and for every process that this one starts; an audit hook is never removed."""
    global _users_own
    with _lock:
        if _users_own is not None:
            return
        _users_own = {name: os.environ.get(name) for name in _OFFLINE}
    _tell_libraries(_OFFLINE)
    sys.addaudithook(_audit)


def allow_name(host: str) -> None:
    """The name of an address to listen at may be looked up."""
    _names.add(host)


@contextmanager
def network_asked_for() -> Iterator[None]:
    """For what the user asked to be fetched. A user's own HF_HUB_OFFLINE=1 goes on to hold."""
    global _asked
    if _users_own is None:
        yield
        return
    with _lock:
        _asked += 1
    _tell_libraries(_users_own)
    try:
        yield
    finally:
        with _lock:
            _asked -= 1
        if not _asked:
            _tell_libraries(_OFFLINE)


@contextmanager
def hub_offline() -> Iterator[None]:
    """While a model is loaded, whoever loads it: its files name no hub."""
    from huggingface_hub import constants

    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _tell_libraries(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    constants: Any = sys.modules.get("huggingface_hub.constants")
    if constants is not None:  # it reads its variables once, when it is imported
        said = variables["HF_HUB_OFFLINE"] or variables["TRANSFORMERS_OFFLINE"] or ""
        constants.HF_HUB_OFFLINE = said.upper() in ("1", "ON", "YES", "TRUE")


_SENDING = {"socket.connect", "socket.sendto", "socket.sendmsg"}
"""Events that come with a socket and an address."""
_ASKING = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}
"""Events that come with a host."""


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if _asked or not event.startswith("socket."):
        return
    if event in _SENDING:
        address = args[1]
        if isinstance(address, tuple) and not _is_here(address[0]):
            raise OSError(errno.ENETUNREACH, f"WorldFM is offline: no connection to {address[0]}")
    elif event in _ASKING and not _is_here(args[0]):
        raise OSError(errno.ENETUNREACH, f"WorldFM is offline: no look-up of {args[0]!r}")


def _is_here(host: Any) -> bool:
    """Whether a host is an address of this machine: a name would have to be looked up."""
    if host is None:
        return True
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    if name in _names:
        return True
    try:
        address = ipaddress.ip_address(name.split("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified

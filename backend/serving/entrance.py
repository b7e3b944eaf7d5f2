# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections that have not said the token yet: few, brief, and of few words.

Whoever can reach the port may open one. Until a connection is let in it may send MOST_BYTES within
SECONDS, no more than MOST_STRANGERS of them are open at a time, and what is said of them in the log
comes once a second at most. With TLS the same holds of those whose handshake is not over.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response
from websockets.protocol import State

from ..shared.addresses import is_loopback

MOST_BYTES = 4096
SECONDS = 2.0
MOST_STRANGERS = 32
_TICK_SECONDS = 0.25
_LOG_SECONDS = 1.0

_log = logging.getLogger(__name__)


class Seldom(logging.Filter):
    """Lets one record a second through, which says how many it stands for."""

    def __init__(self) -> None:
        super().__init__()
        self._last = -_LOG_SECONDS
        self._held_back = 0

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if now - self._last < _LOG_SECONDS:
            self._held_back += 1
            return False
        if self._held_back:
            record.msg = f"{record.msg} (and {self._held_back} more)"
        self._last, self._held_back = now, 0
        return True


class _HandshakesBriefly(Seldom):
    """What websockets says of connections that never became one: without a traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not super().filter(record):
            return False
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and "handshake" in record.getMessage():
            record.msg, record.args = f"{record.msg}: %s", (*(record.args or ()), error)
            record.exc_info, record.exc_text = None, None
        return True


class Entrance:
    """Of one server: makes its connections, counts the strangers, logs refusals."""

    def __init__(self, *, local: bool) -> None:
        """local: only this machine is served, so that every request must be made to it."""
        self._local = local
        self._handshakes: deque[float] = deque()
        self.strangers = 0
        self.log = _own_log(Seldom())
        self.websockets_log = _own_log(_HandshakesBriefly())

    def connection(self, *args: Any, **kwargs: Any) -> Guest:
        """For `serve(create_connection=)`."""
        return Guest(self, *args, **kwargs)

    def limit_handshakes(self, tls: ssl.SSLContext) -> None:
        """Have `tls` refuse to begin a handshake while too many others have begun one and not
        become a connection; asyncio then closes the socket without a word.

        Use it with `serve(ssl_handshake_timeout=SECONDS)`: one that is older has ended.
        """
        begin: Callable[..., ssl.SSLObject] = tls.wrap_bio

        def begin_one(*args: Any, **kwargs: Any) -> ssl.SSLObject:
            now = time.monotonic()
            while self._handshakes and now - self._handshakes[0] > SECONDS:
                self._handshakes.popleft()
            if len(self._handshakes) + self.strangers >= MOST_STRANGERS:
                self._refuse_one_more()
                raise ssl.SSLError("too many strangers")
            self._handshakes.append(now)
            return begin(*args, **kwargs)

        tls.wrap_bio = begin_one  # type: ignore[method-assign]

    def came_in(self) -> None:
        """A connection was made, after its handshake where there is one."""
        if self._handshakes:
            self._handshakes.popleft()
        self.strangers += 1

    def refuses(self) -> bool:
        """Whether there are too many strangers; then it is logged."""
        if self.strangers <= MOST_STRANGERS:
            return False
        self._refuse_one_more()
        return True

    def _refuse_one_more(self) -> None:
        self.log.warning(
            "connection refused: %d others have not said the token yet", MOST_STRANGERS
        )

    def check_request(self, connection: ServerConnection, request: Request) -> Response | None:
        """For `serve(process_request=)`: a web page whose name was made to mean this machine asks
        for that name."""
        if not self._local:
            return None
        host = request.headers.get("Host", "")
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if is_loopback(name.strip("[]")):
            return None
        self.log.warning("connection refused: it asks for the host %r", host[:80])
        return connection.respond(
            HTTPStatus.FORBIDDEN, "This backend serves its own machine only; ask for 127.0.0.1.\n"
        )


def _own_log(seldom: Seldom) -> logging.Logger:
    log = logging.Logger(__name__, logging.WARNING)
    log.parent = _log
    log.addFilter(seldom)
    return log


class Guest(ServerConnection):
    """A connection that is cut off when it says too much, or nothing, before it was let in.

    late: done when it is time to refuse it.
    """

    def __init__(self, entrance: Entrance, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._entrance = entrance
        self._is_stranger = False
        self._heard = 0
        self._ticks = 0
        self.late: asyncio.Future[None] = self.loop.create_future()
        self._most = self.protocol.max_message_size
        self.protocol.max_message_size = MOST_BYTES

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._is_stranger = True
        self._entrance.came_in()
        self.loop.call_later(_TICK_SECONDS, self._tick)
        if self._entrance.refuses():
            self.transport.abort()

    def _tick(self) -> None:
        """Counts ticks of the loop rather than time: one that was held up has not listened."""
        if not self._is_stranger:
            return
        self._ticks += 1
        if self._ticks * _TICK_SECONDS < SECONDS:
            self.loop.call_later(_TICK_SECONDS, self._tick)
        elif self.protocol.state is State.CONNECTING:
            self._entrance.log.warning("connection cut off: no request within %g s", SECONDS)
            self.transport.abort()
        elif not self.late.done():
            self.late.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self._is_stranger:
            self._heard += len(data)
            if self._heard > MOST_BYTES:
                self._entrance.log.warning(
                    "connection cut off: more than %d bytes before the token", MOST_BYTES
                )
                self.transport.abort()
                return
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.let_in()
        super().connection_lost(exc)

    def let_in(self) -> None:
        """It is no stranger any more."""
        if self._is_stranger:
            self._is_stranger = False
            self._entrance.strangers -= 1
            self.protocol.max_message_size = self._most

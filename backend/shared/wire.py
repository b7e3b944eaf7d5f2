# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages over a WebSocket: a text frame for the header, binary frames for the arrays.

Arrays go in chunks, so that neither side ever holds a second copy of a large one and Python's
lock is free for other threads between two chunks (a client must mask every byte it sends, which
takes about 1 ms per chunk).
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from .errors import BackendError
from .messages import MAX_HEADER_BYTES, build, encode, read_header

CHUNK_BYTES = 256 << 10
MAX_FRAME_BYTES = max(MAX_HEADER_BYTES, CHUNK_BYTES)
"""`max_size` of both sides' WebSockets."""


class Socket(Protocol):
    """What is used of a `websockets` connection."""

    async def send(self, message: str | memoryview) -> None: ...
    async def recv(self) -> str | bytes: ...


async def send_message(socket: Socket, message: Any) -> None:
    """Send one message. Senders take turns by a lock: its frames must not be interleaved."""
    header, arrays = encode(message)
    await socket.send(header)
    for array in arrays:
        data = array.reshape(-1).view(np.uint8).data
        for start in range(0, len(data), CHUNK_BYTES):
            await socket.send(data[start : start + CHUNK_BYTES])


async def receive_message(socket: Socket, *, with_arrays: bool = True) -> Any:
    """The next message. Raises BackendError when it is malformed.

    with_arrays False refuses messages that carry any, before a byte is set aside for them.
    """
    text = await socket.recv()
    if not isinstance(text, str):
        raise BackendError("The other side sent bytes where a message should begin; reconnect.")
    header = read_header(text)
    if header.layout and not with_arrays:
        raise BackendError("The other side sent data before it was let in; reconnect.")
    arrays = [await _receive_array(socket, dtype, shape) for dtype, shape in header.layout]
    return build(header, arrays)


async def _receive_array(socket: Socket, dtype: type, shape: tuple[int, ...]) -> np.ndarray:
    array: np.ndarray = np.empty(shape, dtype)
    data = array.reshape(-1).view(np.uint8)
    at = 0
    while at < len(data):
        chunk = await socket.recv()
        if isinstance(chunk, str) or not 0 < len(chunk) <= len(data) - at:
            raise BackendError("The other side sent an array of another size; reconnect.")
        data[at : at + len(chunk)] = np.frombuffer(chunk, np.uint8)
        at += len(chunk)
    return array

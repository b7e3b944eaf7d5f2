# SPDX-License-Identifier: GPL-3.0-or-later
"""What crosses the wire, as dataclasses, and their JSON form.

A message is a JSON header, in which an array is only named, and the arrays' raw bytes.
Fields that have their default value are left out of the header. The way of a connection:

    client  Hello                         token and protocol version; nothing else is heard first
    server  Welcome | Refused             then Progress and Devices while the model loads,
    server  Ready | Broken                and Heartbeat every second for as long as it lives
    server  Refined                       whenever drafts of some world can be bettered
    client  PutWorld                      names every array by its content hash
    server  Need                          the arrays it lacks; none = the world is complete
    client  PutArray ...                  each of them
    client  Render | Preview              server: Frame, Failed or Missing (send the world again)
    client  Cancel, DropWorld
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .errors import BackendError
from .frame import FrameRequest
from .reading import MALFORMED, parse_json, reason
from .tree_codec import DTYPES, Malformed, TreePath, decode_tree, encode_tree

PROTOCOL = 5
"""Raised whenever a message changes its meaning; both sides must have the same."""

MAX_HEADER_BYTES = 8 << 20
MAX_ARRAY_BYTES = 4 << 30
MAX_ARRAYS = 16


@dataclass(frozen=True)
class DeviceInfo:
    """A device the model can run on.

    id: what LaunchSettings.device takes. kind: cuda, rocm, mps or cpu.
    memory_total, memory_free: bytes. modes: dtypes it computes in, best first.
    """

    id: str
    name: str
    kind: str
    memory_total: int
    memory_free: int
    modes: tuple[str, ...]


@dataclass(frozen=True)
class Hello:
    protocol: int
    token: str


@dataclass(frozen=True)
class Welcome:
    protocol: int


@dataclass(frozen=True)
class Refused:
    code: str
    message: str


@dataclass(frozen=True)
class Progress:
    """What the backend is busy with before it is ready; fraction None = unknown."""

    text: str
    fraction: float | None = None


@dataclass(frozen=True)
class Devices:
    devices: tuple[DeviceInfo, ...]


@dataclass(frozen=True)
class Ready:
    """lights: whether it lights a scene's surfaces; else their points are wanted."""

    model_name: str
    model_hash: str
    lights: bool = False


@dataclass(frozen=True)
class Refined:
    """Worlds that were shown as a draft look better now: drafts may be asked for again."""


@dataclass(frozen=True)
class Broken:
    """The model cannot be loaded: every request will be refused with the same error."""

    code: str
    message: str


@dataclass(frozen=True)
class Heartbeat:
    """Sent every second. busy_id: request of this client in work, 0 = none; busy_s: since when;
    stage: what that is at (`stage.py`)."""

    busy_id: int = 0
    busy_s: float = 0.0
    stage: str = ""


@dataclass(frozen=True)
class Notice:
    """A remark for the user: one sentence, "" when the last one no longer holds."""

    text: str


@dataclass(frozen=True)
class PutWorld:
    """All of a world. content: hash of its JSON (see `world_content.py`). arrays: of the rest."""

    key: str
    revision: int
    content: str
    arrays: tuple[str, ...] = ()


@dataclass(frozen=True)
class Need:
    """What the server still lacks of a world."""

    key: str
    revision: int
    arrays: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class PutArray:
    hash: str
    array: np.ndarray


@dataclass(frozen=True)
class DropWorld:
    key: str


@dataclass(frozen=True, eq=False)
class Render:
    """A frame that must be answered. revision: of the world it was asked for."""

    id: int
    key: str
    revision: int
    request: FrameRequest


@dataclass(frozen=True, eq=False)
class Preview:
    """A frame for the viewport `view`; replaces the one of that view that has not begun.

    idle: to be made while nothing else is asked for.
    """

    id: int
    key: str
    revision: int
    view: str
    request: FrameRequest
    idle: bool = False


@dataclass(frozen=True)
class Cancel:
    id: int


@dataclass(frozen=True, eq=False)
class Frame:
    """FrameReply on the wire. request: None = as asked, else what was rendered instead."""

    id: int
    color: np.ndarray
    depth: np.ndarray
    coverage: np.ndarray
    anchor_rgb: np.ndarray
    world_revision: int
    model_name: str
    model_hash: str
    timings: dict[str, float] = field(default_factory=dict)
    request: FrameRequest | None = None
    alpha: np.ndarray | None = None
    passes: dict[str, np.ndarray] = field(default_factory=dict)
    draft: bool = False


@dataclass(frozen=True)
class Failed:
    """Instead of a frame."""

    id: int
    code: str
    message: str


@dataclass(frozen=True)
class Missing:
    """The server no longer has the world of this request: send it again, then the request."""

    id: int


_MESSAGES: dict[str, type] = {
    cls.__name__: cls
    for cls in (
        Hello,
        Welcome,
        Refused,
        Progress,
        Devices,
        Ready,
        Refined,
        Broken,
        Heartbeat,
        Notice,
        PutWorld,
        Need,
        PutArray,
        DropWorld,
        Render,
        Preview,
        Cancel,
        Frame,
        Failed,
        Missing,
    )
}


def encode(message: Any) -> tuple[str, list[np.ndarray]]:
    """(header, arrays) of one of the dataclasses above; arrays are contiguous, little-endian."""
    arrays: list[np.ndarray] = []

    def put(array: np.ndarray, _path: TreePath) -> dict[str, int]:
        arrays.append(np.ascontiguousarray(array, array.dtype.newbyteorder("<")))
        return {"array": len(arrays) - 1}

    body = encode_tree(message, put)
    layout = [[array.dtype.str, list(array.shape)] for array in arrays]
    header = {"type": type(message).__name__, "arrays": layout, "body": body}
    return json.dumps(header, allow_nan=False, separators=(",", ":")), arrays


@dataclass(frozen=True)
class Header:
    """A parsed header: what comes next on the wire, not yet a message."""

    message: type
    body: dict[str, Any]
    layout: list[tuple[type[np.generic], tuple[int, ...]]]


def read_header(text: str) -> Header:
    """Check a header before anything is allocated for it. Raises BackendError."""
    try:
        header = parse_json(text)
        cls = _MESSAGES[header["type"]]
        body = header["body"]
        layout = [(DTYPES[dtype], tuple(shape)) for dtype, shape in header["arrays"]]
    except MALFORMED as error:
        raise _not_understood(f"its header: {reason(error)}") from error
    if not isinstance(body, dict) or len(layout) > MAX_ARRAYS:
        raise _not_understood("its header")
    for dtype, shape in layout:
        whole = all(type(n) is int and n >= 0 for n in shape) and len(shape) <= 4
        if not whole or math.prod(shape) * np.dtype(dtype).itemsize > MAX_ARRAY_BYTES:
            raise _not_understood(f"an array of {shape}")
    return Header(cls, body, layout)


def build(header: Header, arrays: list[np.ndarray]) -> Any:
    """The message, once its arrays (...,) are here. Raises BackendError when a field is wrong."""

    def get(data: dict[str, int]) -> np.ndarray:
        index = data["array"]
        if type(index) is not int or not 0 <= index < len(arrays):
            raise ValueError("an array that is not there")
        return arrays[index]

    try:
        return decode_tree(header.message, header.body, get)
    except Malformed as error:
        raise _not_understood(str(error)) from error


def _not_understood(what: str) -> BackendError:
    return BackendError(
        f"The other side sent a message that cannot be read ({what}); "
        "use the same version of WorldFM on both sides."
    )

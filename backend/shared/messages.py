# SPDX-License-Identifier: GPL-3.0-or-later
"""What crosses the wire, as dataclasses, and their JSON form.

A message is a JSON header, in which an array is only named, and the arrays' raw bytes.
Fields that have their default value are left out of the header. The way of a connection:

    client  Hello                         token and protocol version; nothing else is heard first
    server  Welcome | Refused             then Progress and Devices while the model loads,
    server  Ready | Broken                and Heartbeat every second for as long as it lives
    client  PutWorld                      names every array by its content hash
    server  Need                          the arrays it lacks; none = the world is complete
    client  PutArray ...                  each of them
    client  Render | Preview              server: Frame, Failed or Missing (send the world again)
    client  Cancel, DropWorld
"""

from __future__ import annotations

import json
import math
import types
import typing
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import cache
from typing import Any

import numpy as np

from .camera import Camera
from .errors import BackendError, CameraError
from .frame import FrameRequest

PROTOCOL = 1
"""Raised whenever a message changes its meaning; both sides must have the same."""

MAX_HEADER_BYTES = 8 << 20
MAX_ARRAY_BYTES = 4 << 30
MAX_ARRAYS = 16

_DTYPES = {"|u1": np.uint8, "<f4": np.float32}


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
    model_name: str
    model_hash: str


@dataclass(frozen=True)
class Broken:
    """The model cannot be loaded: every request will be refused with the same error."""

    code: str
    message: str


@dataclass(frozen=True)
class Heartbeat:
    """Sent every second. busy_id: request of this client in work, 0 = none; busy_s: since when."""

    busy_id: int = 0
    busy_s: float = 0.0


@dataclass(frozen=True)
class Notice:
    """A remark for the user: one sentence, "" when the last one no longer holds."""

    text: str


@dataclass(frozen=True, eq=False)
class MemoryRef:
    """A memory frame whose arrays are named by their content hash."""

    id: str
    name: str
    camera: Camera
    rgb: str
    depth: str | None = None
    enabled: bool = True


@dataclass(frozen=True, eq=False)
class PutWorld:
    """All of a world; xyz, rgb, radius: hashes of the anchors' arrays; whole: see `Anchors`."""

    key: str
    revision: int
    xyz: str
    rgb: str
    radius: str
    memory: tuple[MemoryRef, ...] = ()
    whole: bool = False


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
    """A frame for the viewport `view`; replaces the one of that view that has not begun."""

    id: int
    key: str
    revision: int
    view: str
    request: FrameRequest


@dataclass(frozen=True)
class Cancel:
    id: int


@dataclass(frozen=True, eq=False)
class Frame:
    """FrameReply on the wire. request: None = as asked, else what was rendered instead."""

    id: int
    rgb: np.ndarray
    depth: np.ndarray
    coverage: np.ndarray
    anchor_rgb: np.ndarray
    world_revision: int
    model_name: str
    model_hash: str
    timings: dict[str, float] = field(default_factory=dict)
    request: FrameRequest | None = None


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
    body = _to_json(message, arrays)
    layout = [[array.dtype.str, list(array.shape)] for array in arrays]
    header = {"type": type(message).__name__, "arrays": layout, "body": body}
    return json.dumps(header, allow_nan=False, separators=(",", ":")), arrays


@dataclass(frozen=True)
class Header:
    """A parsed header: what comes next on the wire, not yet a message."""

    type: type
    body: dict[str, Any]
    layout: list[tuple[type, tuple[int, ...]]]


def read_header(text: str) -> Header:
    """Check a header before anything is allocated for it. Raises BackendError."""
    try:
        header = json.loads(text)
        cls = _MESSAGES[header["type"]]
        body = header["body"]
        layout = [(_DTYPES[dtype], tuple(shape)) for dtype, shape in header["arrays"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _not_understood("its header") from error
    if not isinstance(body, dict) or len(layout) > MAX_ARRAYS:
        raise _not_understood("its header")
    for dtype, shape in layout:
        whole = all(type(n) is int and n >= 0 for n in shape) and len(shape) <= 4
        if not whole or math.prod(shape) * np.dtype(dtype).itemsize > MAX_ARRAY_BYTES:
            raise _not_understood(f"an array of {shape}")
    return Header(cls, body, layout)


def build(header: Header, arrays: list[np.ndarray]) -> Any:
    """The message, once its arrays are here. Raises BackendError when a field is wrong."""
    return _dataclass_from_json(header.type, header.body, arrays)


def _not_understood(what: str) -> BackendError:
    return BackendError(
        f"The other side sent a message that cannot be read ({what}); "
        "use the same version of WorldFM on both sides."
    )


def _to_json(value: Any, arrays: list[np.ndarray]) -> Any:
    if isinstance(value, np.ndarray):
        little = value.dtype.newbyteorder("<")
        arrays.append(np.ascontiguousarray(value, little))
        return {"array": len(arrays) - 1}
    if isinstance(value, Camera):
        return value.to_json()
    if is_dataclass(value):
        return {
            f.name: _to_json(getattr(value, f.name), arrays)
            for f in fields(value)
            if not _is_default(f, getattr(value, f.name))
        }
    if isinstance(value, (tuple, list)):
        return [_to_json(item, arrays) for item in value]
    if isinstance(value, dict):
        return {key: _to_json(item, arrays) for key, item in value.items()}
    return value


def _is_default(f: Any, value: Any) -> bool:
    if f.default is not MISSING:
        return type(value) is type(f.default) and value == f.default
    return f.default_factory is not MISSING and not value


@cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _dataclass_from_json(cls: type, data: Any, arrays: list[np.ndarray]) -> Any:
    if not isinstance(data, dict):
        raise _not_understood(cls.__name__)
    hints = _hints(cls)
    required = {
        f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING
    }
    if not required <= data.keys() <= hints.keys():
        raise _not_understood(cls.__name__)
    values = {}
    for name, item in data.items():
        values[name] = _from_json(hints[name], item, arrays, f"{cls.__name__}.{name}")
    return cls(**values)


def _from_json(hint: Any, data: Any, arrays: list[np.ndarray], where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):  # only `X | None` occurs
        return None if data is None else _from_json(args[0], data, arrays, where)
    if origin is tuple and isinstance(data, list):
        return tuple(_from_json(args[0], item, arrays, where) for item in data)
    if origin is dict and isinstance(data, dict):
        return {key: _from_json(args[1], item, arrays, where) for key, item in data.items()}
    if hint is np.ndarray:
        return _take_array(data, arrays, where)
    if hint is Camera and isinstance(data, dict):
        try:
            return Camera.from_json(data)
        except (CameraError, OverflowError) as error:
            raise _not_understood(where) from error
    if is_dataclass(hint):
        return _dataclass_from_json(typing.cast(type, hint), data, arrays)
    if hint is float and type(data) is int:
        return float(data)
    if type(data) is not hint:
        raise _not_understood(where)
    return data


def _take_array(data: Any, arrays: list[np.ndarray], where: str) -> np.ndarray:
    index = data.get("array") if isinstance(data, dict) else None
    if type(index) is not int or not 0 <= index < len(arrays):
        raise _not_understood(where)
    return arrays[index]

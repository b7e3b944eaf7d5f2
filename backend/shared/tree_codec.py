# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees of dataclasses as JSON and back; what an array becomes is up to whoever asks.

A field that has its default value is left out. A class with `to_json` and `from_json` of its own
(`Camera`) is asked for it. Nothing is trusted when reading: every type is looked at, numbers are
finite, and what does not fit raises `Malformed`.
"""

from __future__ import annotations

import json
import math
import types
import typing
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from .errors import WorldFMError
from .reading import MALFORMED

_REFUSED: tuple[type[Exception], ...] = (WorldFMError, *MALFORMED)

MOST_INT = 2**63 - 1
"""Either side of zero, of any whole number."""
TreePath = tuple[str | int, ...]
"""Where in a tree: names of fields, numbers of items, keys."""

Put = Callable[[np.ndarray, TreePath], Any]
"""Gives the JSON that stands for an array."""

Get = Callable[[Any], np.ndarray]
"""Gives the array that JSON stands for; raises KeyError, TypeError or ValueError."""

INLINE = 16
"""Most values of an array that is written out in the JSON: a matrix, one colour."""

DTYPES: dict[str, type[np.generic]] = {
    "|u1": np.uint8,
    "|i1": np.int8,
    "<f2": np.float16,
    "<f4": np.float32,
    "<f8": np.float64,
    "<i4": np.int32,
}
"""The arrays that a tree may hold."""


_DERIVED_FROM = "derived_from"


def derived_from(other: str) -> dict[str, str]:
    """Metadata of a field that follows from the field `other` where that is not None.

    Then it isn't written.
    """
    return {_DERIVED_FROM: other}


class Malformed(ValueError):
    """What was read does not fit; the text says where and, mostly, why."""


class Shared:
    """Keeps objects of some classes one: equal content gives the same object while it lives.

    What is made of such an object can then be kept with it, from one revision to the next.
    """

    def __init__(self, *classes: type, check: Callable[[Any], None] = lambda made: None) -> None:
        """check: is shown each object once, when it is new; raises when it cannot be used."""
        self.classes = frozenset(classes)
        self._check = check
        self._known: WeakValueDictionary[tuple[type, str], Any] = WeakValueDictionary()

    def of(self, cls: type, data: Any, make: Callable[[], Any]) -> Any:
        """The object of class `cls` that `data` describes; `make` makes it when there is none."""
        key = cls, json.dumps(data, sort_keys=True)
        known = self._known.get(key)
        if known is None:
            known = make()
            self._check(known)
            self._known[key] = known
        return known


def encode_tree(value: Any, put: Put, path: TreePath = ()) -> Any:
    """The JSON of a tree. Raises Malformed where a number is not finite."""
    if isinstance(value, np.ndarray):
        return put(value, path)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        raise Malformed(f"{_dotted(path)} is {value}")
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, (tuple, list)):
        return [encode_tree(item, put, (*path, i)) for i, item in enumerate(value)]
    if isinstance(value, dict):
        return {key: encode_tree(item, put, (*path, key)) for key, item in value.items()}
    if hasattr(value, "to_json"):
        return value.to_json()
    written = {}
    kind: Any = type(value)
    for name, default, source in _plan(kind):
        item = getattr(value, name)
        follows = source is not None and getattr(value, source) is not None
        if not follows and not _is_default(item, default):
            written[name] = encode_tree(item, put, (*path, name))
    return written


def decode_tree(hint: Any, data: Any, get: Get, shared: Shared | None = None) -> Any:
    """The tree that `encode_tree` wrote, of type `hint`. Raises Malformed where it does not fit."""
    return _Reader(get, shared).read(hint, data, getattr(hint, "__name__", str(hint)))


def same_tree(one: Any, other: Any) -> bool:
    """Whether two trees are equal in type and value all the way down, arrays bit for bit."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        alike = (one.dtype, one.shape) == (other.dtype, other.shape)
        return alike and one.tobytes() == other.tobytes()
    if is_dataclass(one):
        return all(same_tree(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(map(same_tree, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same_tree(one[k], other[k]) for k in one)
    return bool(one == other)


def inline(array: np.ndarray) -> dict[str, Any] | None:
    """The JSON of a small array (...,), bit for bit; None when it is better kept apart."""
    if array.size > INLINE or array.dtype.str not in DTYPES:
        return None
    return {"dtype": array.dtype.str, "shape": list(array.shape), "hex": array.tobytes().hex()}


def read_inline(data: dict[str, Any]) -> np.ndarray:
    """The array (...,) that `inline` wrote. Raises KeyError, TypeError or ValueError."""
    dtype, shape, values = DTYPES[data["dtype"]], data["shape"], bytes.fromhex(data["hex"])
    if len(values) > INLINE * 8 or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError("an array that should be small")
    return np.frombuffer(values, dtype).reshape(shape).copy()


class _Reader:
    """One walk over one tree."""

    def __init__(self, get: Get, shared: Shared | None) -> None:
        self._get = get
        self._shared = shared

    def read(self, hint: Any, data: Any, where: str) -> Any:
        if hint is np.ndarray:
            return self._array(data, where)
        if hint is float and type(data) is int:
            data = _as_float(data, where)
        if hint in (str, int, float, bool):
            if (
                type(data) is not hint
                or (hint is float and not math.isfinite(data))
                or (hint is int and not -MOST_INT <= data <= MOST_INT)
            ):
                raise Malformed(where)
            return data
        origin, args = _taken_apart(hint)
        if origin is types.UnionType:  # only `X | None` occurs
            return None if data is None else self.read(args[0], data, where)
        if origin is tuple:
            return self._tuple(args, data, where)
        if origin is list:
            return list(self._tuple((*args, Ellipsis), data, where))
        if origin is dict and isinstance(data, dict):
            return {k: self.read(args[1], v, f"{where}.{k}") for k, v in data.items()}
        if isinstance(hint, type) and isinstance(data, dict):
            return self._object(hint, data, where)
        raise Malformed(where)

    def _array(self, data: Any, where: str) -> np.ndarray:
        try:
            return self._get(data)
        except MALFORMED as error:
            raise Malformed(where) from error

    def _tuple(self, args: tuple[Any, ...], data: Any, where: str) -> tuple[Any, ...]:
        if not isinstance(data, list):
            raise Malformed(where)
        if args[-1] is Ellipsis:
            return tuple(self.read(args[0], item, f"{where}.{i}") for i, item in enumerate(data))
        if len(data) != len(args):
            raise Malformed(where)
        pairs = zip(args, data, strict=True)
        return tuple(self.read(arg, item, f"{where}.{i}") for i, (arg, item) in enumerate(pairs))

    def _object(self, cls: type, data: dict[str, Any], where: str) -> Any:
        if self._shared is None or cls not in self._shared.classes:
            return self._made(cls, data, where)
        return self._shared.of(cls, data, lambda: self._made(cls, data, where))

    def _made(self, cls: type, data: dict[str, Any], where: str) -> Any:
        if hasattr(cls, "from_json"):
            make, values = cls.from_json, {"data": data}  # type: ignore[attr-defined]
        elif is_dataclass(cls):
            hints, make = _hints(cls), cls
            for name in _required(cls) - data.keys():
                raise Malformed(f"{where} has no {name}")
            for name in data.keys() - hints.keys():
                raise Malformed(f"{where} has an unknown {name}")
            values = {
                name: self.read(hints[name], item, f"{where}.{name}") for name, item in data.items()
            }
        else:
            raise Malformed(where)
        try:
            return make(**values)
        except _REFUSED as error:
            raise Malformed(f"{where}: {str(error).rstrip('.')}") from error


def _as_float(data: int, where: str) -> float:
    try:
        return float(data)
    except OverflowError as error:
        raise Malformed(where) from error


@cache
def _taken_apart(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    origin = typing.get_origin(hint)
    return types.UnionType if origin is typing.Union else origin, typing.get_args(hint)


@cache
def _hints(cls: type) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    return {f.name: hints[f.name] for f in fields(cls)}


@cache
def _plan(cls: type) -> tuple[tuple[str, Any, str | None], ...]:
    """(name, default, what it is derived from) of each field; the default is MISSING without one,
    and a factory's is what it makes."""
    return tuple(
        (
            f.name,
            f.default if f.default_factory is MISSING else f.default_factory(),
            f.metadata.get(_DERIVED_FROM),
        )
        for f in fields(cls)
    )


@cache
def _required(cls: type) -> frozenset[str]:
    return frozenset(name for name, default, _ in _plan(cls) if default is MISSING)


def _is_default(value: Any, default: Any) -> bool:
    if value is default:
        return True
    return type(value) is type(default) and value == default


def _dotted(path: TreePath) -> str:
    return ".".join(str(part) for part in path)

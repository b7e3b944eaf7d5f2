# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of a scene's meshes and programs: alike where those are, in any session and machine.

Vertices and coordinates are named by sums that are compared with a tolerance, for modifiers round
their last bits differently from one session and processor to the next; the rest by hashes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .content import content_hash

if TYPE_CHECKING:
    from .scene import Mesh

SHAPE = 2 + 9
"""Numbers that name the vertices of a mesh: count, extent, and three sums of each coordinate."""
LAYERS = 2 + 3
"""Numbers that name the values of all its layers: count, extent, and three sums."""
_TOLERANCE = {SHAPE: 1e-5, LAYERS: 1e-4}
_ROWS = 1 << 18


@dataclass(frozen=True, eq=False)
class MeshNames:
    """shape: (SHAPE,) float64 of the vertices. layers: (LAYERS,) float64 of UV coordinates and
    colour attributes. rest: of triangles, slots, and the layers' names."""

    shape: np.ndarray
    layers: np.ndarray
    rest: bytes

    @classmethod
    def of(cls, mesh: Mesh, apart: str) -> MeshNames:
        """apart: the UV layer that is no look of its own."""
        layers = [(kind, n) for kind in ("uv", "colors") for n in sorted(getattr(mesh, kind))]
        layers = [layer for layer in layers if layer[1] != apart]
        values = [getattr(mesh, kind)[name].reshape(-1, 1) for kind, name in layers]
        named = [content_hash(mesh.triangles), content_hash(mesh.slots), layers]
        named += [mesh.active_uv, mesh.active_color]
        return cls(_sums([mesh.vertices], 3), _sums(values, 1), json.dumps(named).encode())


class ProgramNames:
    """Names of a material's program by what its pictures show; the last one is kept."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._last: tuple[tuple[str, ...], str] | None = None

    def of(self, pictures: tuple[str, ...]) -> str:
        """With the names of pictures, which the program has by their numbers."""
        last = self._last
        if last is None or last[0] != pictures:
            last = self._last = pictures, self._named(pictures)
        return last[1]

    def _named(self, pictures: tuple[str, ...]) -> str:
        program = json.loads(self._program, parse_float=lambda text: f"{float(text):.5g}")
        for node in program.get("nodes", ()):
            props = node.get("props", {})
            props |= {"texture": _content(props["texture"], pictures)} if "texture" in props else {}
            tiles = props.get("tiles")
            if isinstance(tiles, dict):
                props["tiles"] = {name: _content(n, pictures) for name, n in tiles.items()}
        text = json.dumps(program, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _content(number: object, pictures: tuple[str, ...]) -> str:
    known = type(number) is int and 0 <= number < len(pictures)
    return pictures[number] if known else ""  # type: ignore[index,call-overload]


def alike(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(N,) bool: whether rows (N, SHAPE) or (N, LAYERS) name the same."""
    most = _TOLERANCE[one.shape[1]] * np.maximum(one[:, 1], other[:, 1])
    near = np.abs(one[:, 2:] - other[:, 2:]) <= most[:, None]
    return (one[:, 0] == other[:, 0]) & near.all(axis=1)


def shape_key(shape: np.ndarray) -> str:
    """16 hex digits of a row (SHAPE,) of `Names.shapes`, bit for bit."""
    return hashlib.blake2b(np.ascontiguousarray(shape).tobytes(), digest_size=8).hexdigest()


def _sums(arrays: list[np.ndarray], width: int) -> np.ndarray:
    """(2 + 3 x width,) float64: how many rows, the largest size of a value, and the rows' sum with
    three kinds of weights, over the root of their number."""
    count = sum(len(array) for array in arrays)
    sums, extent, first = np.zeros((3, width)), 0.0, 0
    for array in arrays:
        for start in range(0, len(array), _ROWS):
            part = array[start : start + _ROWS].astype(np.float64)
            turn = np.arange(first, first + len(part), dtype=np.float64)
            weights = np.stack([np.ones_like(turn), np.cos(turn), np.sin(2.3 * turn)])
            sums += weights @ part
            extent = max(extent, float(np.abs(part).max(initial=0)))
            first += len(part)
    sums /= np.sqrt(max(count, 1))
    return np.concatenate([[count, extent], sums.ravel()])

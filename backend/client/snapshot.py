# SPDX-License-Identifier: GPL-3.0-or-later
"""A world as it was when it was set: what it takes to tell a backend of it."""

from __future__ import annotations

import itertools
import threading
import weakref

import numpy as np

from ..shared.anchors import Anchors
from ..shared.content import content_hash
from ..shared.frame import MemoryFrame
from ..shared.messages import MemoryRef, PutWorld

_serials = itertools.count(1)


class Snapshot:
    """One revision of one world. `wire_key` names it on one connection and for ever.

    Hashing is left to whoever calls `manifest` (the client's thread), not to the maker.
    """

    def __init__(
        self, key: str, revision: int, anchors: Anchors, memory: list[MemoryFrame]
    ) -> None:
        self.key = key
        self.revision = revision
        self.wire_key = f"{next(_serials)}:{key}"
        self._anchors = anchors
        self._memory = list(memory)
        self._arrays: dict[str, np.ndarray] = {}
        self._manifest: PutWorld | None = None

    def shows(self, revision: int, anchors: Anchors, memory: list[MemoryFrame]) -> bool:
        """Whether these very objects are what this snapshot holds."""
        return (
            self.revision == revision
            and self._anchors is anchors
            and len(self._memory) == len(memory)
            and all(mine is theirs for mine, theirs in zip(self._memory, memory, strict=True))
        )

    def manifest(self) -> PutWorld:
        """The world with its arrays named by content; slow the first time for new arrays."""
        if self._manifest is None:
            anchors = self._anchors
            self._manifest = PutWorld(
                self.wire_key,
                self.revision,
                self._name(anchors.xyz),
                self._name(anchors.rgb),
                self._name(anchors.radius),
                tuple(self._refer(frame) for frame in self._memory),
                anchors.whole,
            )
        return self._manifest

    def array(self, name: str) -> np.ndarray:
        """The array called `name` in the manifest."""
        return self._arrays[name]

    def _refer(self, frame: MemoryFrame) -> MemoryRef:
        depth = None if frame.depth is None else self._name(frame.depth)
        return MemoryRef(
            frame.id, frame.name, frame.camera, self._name(frame.rgb), depth, frame.enabled
        )

    def _name(self, array: np.ndarray) -> str:
        name = _hashes.of(array)
        self._arrays[name] = array
        return name


class _Hashes:
    """Content hashes of arrays that are still alive; they are never changed in place."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[int, tuple[weakref.ref[np.ndarray], str]] = {}

    def of(self, array: np.ndarray) -> str:
        with self._lock:
            known = self._known.get(id(array))
        if known is not None and known[0]() is array:
            return known[1]
        name = content_hash(array)
        with self._lock:
            self._known = {k: v for k, v in self._known.items() if v[0]() is not None}
            self._known[id(array)] = (weakref.ref(array), name)
        return name


_hashes = _Hashes()

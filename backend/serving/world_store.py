# SPDX-License-Identifier: GPL-3.0-or-later
"""The worlds clients have sent: arrays by content hash, worlds by key, the oldest let go."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import numpy as np

from ..shared.anchors import Anchors
from ..shared.content import content_hash
from ..shared.errors import BackendError
from ..shared.frame import MemoryFrame
from ..shared.messages import MemoryRef, PutArray, PutWorld

if TYPE_CHECKING:
    from ..world.world import World

MAX_WORLDS = 8


@dataclass(frozen=True, eq=False)
class StoredWorld:
    """A world that is here in full; stays so when the store lets go of it."""

    manifest: PutWorld
    anchors: Anchors
    memory: list[MemoryFrame]

    def assemble(self) -> World:
        """The world. The first call brings torch in, so it is the worker's to make."""
        from ..world.world import World

        return World(self.anchors, self.memory, self.manifest.revision, {})


@dataclass(eq=False)
class _Slot:
    """A world's manifest and, once its arrays have come, the world."""

    manifest: PutWorld
    stored: StoredWorld | None = None


class WorldStore:
    """One client's worlds. Arrays that several worlds or revisions share are kept once.

    So are whole memory frames: the same frame is the same object in every world, and what a
    model made of it can be kept with it.
    """

    def __init__(self) -> None:
        self._arrays: dict[str, np.ndarray] = {}
        self._frames: WeakValueDictionary[str, MemoryFrame] = WeakValueDictionary()
        self._slots: OrderedDict[str, _Slot] = OrderedDict()

    def put(self, manifest: PutWorld) -> tuple[str, ...]:
        """Take a world in; the hashes of the arrays it still lacks, in sending order."""
        self._slots.pop(manifest.key, None)
        self._slots[manifest.key] = _Slot(manifest)
        while len(self._slots) > MAX_WORLDS:
            self._slots.popitem(last=False)
        self._forget_unused()
        wanted = dict.fromkeys(_names(manifest))
        return tuple(name for name in wanted if name not in self._arrays)

    def add(self, message: PutArray) -> None:
        """Keep an array. Raises BackendError when its content is not what its name says."""
        if content_hash(message.array) != message.hash:
            raise BackendError("A part of the world arrived damaged; it is sent again.")
        self._arrays[message.hash] = message.array

    def get(self, key: str, revision: int) -> StoredWorld | None:
        """The world, None when this revision of it is not (or no longer) here."""
        slot = self._slots.get(key)
        if slot is None or slot.manifest.revision != revision:
            return None
        if slot.stored is None:
            if any(name not in self._arrays for name in _names(slot.manifest)):
                return None
            slot.stored = self._assemble(slot.manifest)
        self._slots.move_to_end(key)
        return slot.stored

    def drop(self, key: str) -> None:
        """Let go of a world; nothing when it is unknown."""
        self._slots.pop(key, None)
        self._forget_unused()

    def _assemble(self, manifest: PutWorld) -> StoredWorld:
        arrays = self._arrays
        xyz, rgb, radius = (arrays[n] for n in (manifest.xyz, manifest.rgb, manifest.radius))
        anchors = Anchors(xyz, rgb, radius, manifest.whole)
        return StoredWorld(manifest, anchors, [self._frame(ref) for ref in manifest.memory])

    def _frame(self, ref: MemoryRef) -> MemoryFrame:
        camera = json.dumps(ref.camera.to_json())
        name = json.dumps([ref.id, ref.name, camera, ref.rgb, ref.depth, ref.enabled])
        frame = self._frames.get(name)
        if frame is None:
            depth = None if ref.depth is None else self._arrays[ref.depth]
            rgb = self._arrays[ref.rgb]
            frame = MemoryFrame(ref.id, ref.name, ref.camera, rgb, depth, ref.enabled)
            self._frames[name] = frame
        return frame

    def _forget_unused(self) -> None:
        used = {name for slot in self._slots.values() for name in _names(slot.manifest)}
        self._arrays = {name: array for name, array in self._arrays.items() if name in used}


def _names(manifest: PutWorld) -> list[str]:
    names = [manifest.xyz, manifest.rgb, manifest.radius]
    for ref in manifest.memory:
        names += [ref.rgb] if ref.depth is None else [ref.rgb, ref.depth]
    return names

# SPDX-License-Identifier: GPL-3.0-or-later
"""The worlds clients have sent: arrays by content hash, worlds by key, the oldest let go."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np

from ..shared.content import content_hash
from ..shared.errors import BackendError
from ..shared.messages import PutArray, PutWorld
from ..shared.world import World
from ..shared.world_content import ContentReader

MAX_WORLDS = 8


@dataclass(eq=False)
class StoredWorld:
    """A world that is here in full; stays so when the store lets go of it."""

    manifest: PutWorld
    _arrays: dict[str, np.ndarray]
    _reader: ContentReader
    _world: World | None = field(default=None, init=False)

    def assemble(self) -> World:
        """The world, the same object each time. Raises WorldError when it is damaged.

        The first call reads and checks it, so it is the worker's to make.
        """
        if self._world is None:
            content = self._arrays[self.manifest.content]
            self._world = self._reader.read(content, self._arrays)
            self._arrays = {}  # the world holds what it needs
        return self._world


@dataclass(eq=False)
class _Slot:
    """A world's manifest and, once its arrays have come, the world."""

    manifest: PutWorld
    stored: StoredWorld | None = None


class WorldStore:
    """One client's worlds. Arrays that several worlds or revisions share are kept once.

    So are whole memory frames, meshes and materials: see `ContentReader`.
    """

    def __init__(self) -> None:
        self._arrays: dict[str, np.ndarray] = {}
        self._reader = ContentReader()
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
            names = _names(slot.manifest)
            if any(name not in self._arrays for name in names):
                return None
            arrays = {name: self._arrays[name] for name in names}
            slot.stored = StoredWorld(slot.manifest, arrays, self._reader)
        self._slots.move_to_end(key)
        return slot.stored

    def drop(self, key: str) -> None:
        """Let go of a world; nothing when it is unknown."""
        self._slots.pop(key, None)
        self._forget_unused()

    def _forget_unused(self) -> None:
        used = {name for slot in self._slots.values() for name in _names(slot.manifest)}
        self._arrays = {name: array for name, array in self._arrays.items() if name in used}


def _names(manifest: PutWorld) -> tuple[str, ...]:
    return (*manifest.arrays, manifest.content)

# SPDX-License-Identifier: GPL-3.0-or-later
"""A world as it was when it was set: what it takes to tell a backend of it."""

from __future__ import annotations

import itertools

import numpy as np

from ..shared.content import content_hash
from ..shared.messages import PutWorld
from ..shared.world import World
from ..shared.world_content import write_content

_serials = itertools.count(1)


class Snapshot:
    """One revision of one world. `wire_key` names it on one connection and for ever.

    Hashing is left to whoever calls `manifest` (the client's thread), not to the maker.
    """

    def __init__(self, key: str, world: World) -> None:
        self.key = key
        self.revision = world.revision
        self.wire_key = f"{next(_serials)}:{key}"
        self._world = World(world.anchors, list(world.memory), world.revision, {}, world.scene)
        self._arrays: dict[str, np.ndarray] = {}
        self._manifest: PutWorld | None = None

    def shows(self, world: World) -> bool:
        """Whether these very objects are what this snapshot holds."""
        mine = self._world
        return (
            mine.revision == world.revision
            and mine.anchors is world.anchors
            and mine.scene is world.scene
            and len(mine.memory) == len(world.memory)
            and all(one is other for one, other in zip(mine.memory, world.memory, strict=True))
        )

    def manifest(self) -> PutWorld:
        """The world with its arrays named by content; slow the first time for new arrays.

        Raises WorldError when something in it cannot be sent.
        """
        if self._manifest is None:
            content, self._arrays = write_content(self._world)
            names = tuple(self._arrays)
            name = content_hash(content)
            self._arrays[name] = content
            self._manifest = PutWorld(self.wire_key, self.revision, name, names)
        return self._manifest

    def array(self, name: str) -> np.ndarray:
        """The array called `name` in the manifest, of whatever dtype and shape (...,) it has."""
        return self._arrays[name]

# SPDX-License-Identifier: GPL-3.0-or-later
"""A world as JSON bytes in which every larger array stands by its content's hash."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from .arrays import checked
from .content import kept_hash
from .errors import WorldError
from .frame import MemoryFrame
from .moment import Moment
from .reading import MALFORMED, parse_json, reason
from .scene import Background, Material, Mesh, Texture
from .scene_check import SceneCheck
from .tree_codec import (
    DTYPES,
    Get,
    Malformed,
    Shared,
    TreePath,
    decode_tree,
    encode_tree,
    inline,
    read_inline,
)
from .world import World

MAX_CONTENT_BYTES = 256 << 20
"""Of the JSON of one world."""


def write_content(world: World) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """((N,) uint8 JSON, the arrays that it names). Raises WorldError when it cannot be written.

    The arrays are never to be changed in place: their hashes are worked out once.
    """
    arrays: dict[str, np.ndarray] = {}

    def put(array: np.ndarray, path: TreePath) -> Any:
        if array.dtype.str not in DTYPES:
            raise Malformed(f"{'.'.join(map(str, path))} is of type {array.dtype}")
        written = inline(array) if path[0] == "scene" or "moment" in path else None
        if written is not None:
            return written
        name = kept_hash(array)
        arrays[name] = array
        return name

    try:
        text = json.dumps(encode_tree(world, put), separators=(",", ":"))
    except (Malformed, TypeError) as error:
        raise WorldError(f"The scene cannot be sent ({error}); mend it in Blender.") from error
    if len(text) > MAX_CONTENT_BYTES:
        raise WorldError("The scene has too many objects to be sent; hide some of them.")
    return np.frombuffer(text.encode(), np.uint8), arrays


class ContentReader:
    """Reads worlds of one origin; what is equal in them is the same object in all of them.

    So are meshes, textures, materials, backgrounds and memory frames: what a pipeline made of
    one can be kept with it.
    """

    def __init__(self) -> None:
        self._check = SceneCheck()
        self._shared = Shared(
            Mesh, Texture, Material, Background, MemoryFrame, check=self._check.part
        )

    def read(self, content: np.ndarray, arrays: Mapping[str, np.ndarray]) -> World:
        """The inverse of `write_content`. Raises WorldError when it is damaged.

        content: (N,) uint8. arrays: those that it names, by name.
        """

        def get(data: Any) -> np.ndarray:
            return read_inline(data) if isinstance(data, dict) else arrays[data]

        if content.nbytes > MAX_CONTENT_BYTES or content.dtype != np.uint8:
            raise _damaged("its size")
        try:
            return self.decode(parse_json(content.tobytes()), get)
        except MALFORMED as error:
            raise _damaged(reason(error)) from error

    def decode(self, tree: Any, get: Get) -> World:
        """A world from its JSON. Raises Malformed, or WorldError when its scene cannot be used."""
        world: World = decode_tree(World, tree, get, self._shared)
        if world.scene is not None:
            self._check.scene(world.scene)
        # points without a place are left out when they are drawn (`Anchors.finite`)
        checked(world.anchors.radius, "the points' radius", np.float32, (None,), least=0)
        if world.anchors.splats is not None:
            checked(world.anchors.splats, "the splats", np.float32, (None, 8))
        if world.anchors.harmonics is not None:
            checked(world.anchors.harmonics, "the splats' harmonics", np.int8, (None, None, 3))
        for frame in world.memory:
            check_depth(frame)
        return world

    def frame(self, tree: Any, get: Get) -> MemoryFrame:
        """A memory frame from its JSON. Raises Malformed, ValueError where its depth is none, or
        WorldError when what it keeps of its scene cannot be used."""
        frame: MemoryFrame = decode_tree(MemoryFrame, tree, get, self._shared)
        check_depth(frame)
        return frame


def check_depth(frame: MemoryFrame) -> None:
    """Raises ValueError unless a memory frame's depth is one: not negative, no NaN."""
    if frame.depth is not None:
        what = f"the depth of '{frame.name}'"
        checked(frame.depth, what, np.float32, (None, None), least=0, infinite=True)


def check_moment(moment: Moment) -> None:
    """Raises WorldError where what a memory frame keeps of its scene cannot be used."""
    check = SceneCheck()
    if moment.background is not None:
        check.part(moment.background)
    check.lamps(moment.lamps)


def _damaged(what: str) -> WorldError:
    return WorldError(f"The world arrived damaged ({what}); restart the backend to send it again.")

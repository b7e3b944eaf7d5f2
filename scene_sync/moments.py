# SPDX-License-Identifier: GPL-3.0-or-later
"""What memory frames keep of their scene as bytes, for the .blend.

A scene has two shapes, that of its viewports and that of its final renders (levels of subdivision,
what is hidden where), so a frame has a moment for each; they are the same bytes where both agree.
"""

from __future__ import annotations

import hashlib
import io
import json
import zlib
from typing import Any, NamedTuple

import bpy
import numpy as np

from ..backend.shared.arrays import read_npz, unpacked
from ..backend.shared.content import kept_hash
from ..backend.shared.moment import Moment
from ..backend.shared.reading import parse_json
from ..backend.shared.tree_codec import decode_tree, encode_tree, inline, read_inline
from ..backend.shared.world_content import check_moment

FORMAT = 1
"""Rises when scenes are named otherwise, so that names of before say nothing."""
_MOST_BYTES = 1 << 28
_TREE = "tree"


class Moments(NamedTuple):
    """Encoded. render, view: None where it is not known. problems: one sentence each."""

    render: bytes | None = None
    view: bytes | None = None
    problems: tuple[str, ...] = ()


NONE = Moments()


def moment_name(data: bytes) -> str:
    """What it is called in the .blend: by its content."""
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def encode_moment(moment: Moment) -> bytes:
    """The same bytes for the same moment."""
    arrays: dict[str, Any] = {}

    def put(array: np.ndarray, _path: object) -> Any:
        written = inline(array)
        if written is not None:
            return written
        name = kept_hash(array)
        arrays[name] = array
        return name

    tree = {"format": FORMAT, "blender": _blender(), "moment": encode_tree(moment, put)}
    text = json.dumps(tree, separators=(",", ":")).encode()
    buffer = io.BytesIO()
    tree_first: dict[str, Any] = {_TREE: np.frombuffer(text, np.uint8)}
    np.savez(buffer, **tree_first, **arrays)
    return zlib.compress(buffer.getvalue(), 6)


def decode_moment(data: bytes) -> Moment | None:
    """None where another version of Blender or WorldFM named what is in it, so that nobody knows
    what changed. Raises what `reading.MALFORMED` lists."""
    arrays = read_npz(io.BytesIO(unpacked(data, _MOST_BYTES)), _MOST_BYTES)
    tree = parse_json(arrays.pop(_TREE).tobytes())
    if tree["format"] != FORMAT or tree["blender"] != _blender():
        return None
    moment: Moment = decode_tree(
        Moment,
        tree["moment"],
        lambda given: read_inline(given) if isinstance(given, dict) else arrays[given],
    )
    check_moment(moment)
    return moment


def _blender() -> list[int]:
    """The version whose nodes have the same settings."""
    return list(bpy.app.version[:2])

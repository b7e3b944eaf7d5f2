# SPDX-License-Identifier: GPL-3.0-or-later
"""A world as meshes with textures, and one to collide with, in a glTF file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..shared.errors import InputError
from ..shared.files import replacing
from ..shared.frame import MemoryFrame
from .importers.ply import UP_AXES
from .progress import Progress, silent
from .surfaces import Sheet, sheet_of

SIDE, COLLIDER_SIDE = 320, 40
"""Vertices along a frame's longer side: of what is seen, and of what is collided with."""
TEXTURE = 2048
MOST_FRAMES = 48
FROM_Z_UP = UP_AXES["y"].T
"""World axes (z up) to glTF's (y up)."""


def export_mesh(memory: Sequence[MemoryFrame], path: Path, progress: Progress = silent) -> int:
    """A .glb: the surface of each memory frame with its picture, and "collider". Gives triangles.

    What an earlier frame shows at least as near is left out of the later ones. Raises InputError
    for a world whose memory has no surface.
    """
    import trimesh

    frames = [
        f for f in memory if f.depth is not None and f.enabled and not f.camera.is_orthographic
    ]
    frames = frames[:: max(1, -(-len(frames) // MOST_FRAMES))]
    scene = trimesh.Scene()
    colliders: list[Sheet] = []
    count = 0
    for i, frame in enumerate(frames):
        progress(i / len(frames), f"Making surfaces, picture {i + 1} of {len(frames)}")
        sheet = sheet_of(frame, SIDE, frames[:i])
        colliders.append(sheet_of(frame, COLLIDER_SIDE, frames[:i]))
        if not len(sheet.faces):
            continue
        count += len(sheet.faces)
        picture = Image.fromarray(frame.rgb)
        picture.thumbnail((TEXTURE, TEXTURE))
        material = trimesh.visual.material.PBRMaterial(
            name=frame.name, baseColorTexture=picture, metallicFactor=0.0, roughnessFactor=1.0
        )
        visual = trimesh.visual.TextureVisuals(uv=sheet.uv, material=material)
        mesh = trimesh.Trimesh(
            sheet.vertices @ FROM_Z_UP.T, sheet.faces, visual=visual, process=False
        )
        scene.add_geometry(mesh, geom_name=f"surface {i + 1}", node_name=f"surface {i + 1}")
    if not count:
        raise InputError("The world's memory has no surfaces to make a mesh of; add depth to it.")
    scene.add_geometry(_joined(colliders), geom_name="collider", node_name="collider")
    progress(0.95, "Writing the file")
    with replacing(Path(path)) as beside:
        beside.write_bytes(scene.export(file_type="glb"))
    progress(1.0, "Done")
    return count


def _joined(sheets: Sequence[Sheet]) -> Any:
    import trimesh

    offsets = np.cumsum([0, *(len(sheet.vertices) for sheet in sheets)])
    faces = [sheet.faces + offset for sheet, offset in zip(sheets, offsets, strict=False)]
    vertices = np.concatenate([sheet.vertices for sheet in sheets])
    return trimesh.Trimesh(vertices @ FROM_Z_UP.T, np.concatenate(faces), process=False)

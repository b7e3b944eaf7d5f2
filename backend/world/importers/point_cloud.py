# SPDX-License-Identifier: GPL-3.0-or-later
"""A point cloud to a world, with a photo of it as memory where one is given."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from ...conditioning.anchors.point_renderer import PointCloud, render_points
from ...data.photos import read_photo
from ...shared.anchors import Anchors
from ...shared.camera import Camera
from ...shared.frame import MemoryFrame
from ...shared.harmonics import MOST_DEGREE
from ...shared.world import World
from ..identity import frame_id
from ..origin import remember
from .mesh_scene import mesh_scene
from .meshes import is_mesh, mesh_anchors
from .photo import fitted_camera
from .ply import ColourMode, read_ply
from .splats import UP, read_splats, splat_anchors, splat_kind


def world_from_ply(
    path: Path,
    up: str | None = None,
    scale: float = 1.0,
    photo: tuple[Path, Camera] | None = None,
    colours: ColourMode = "auto",
    degree: int = MOST_DEGREE,
) -> World:
    """Points or splats as anchors, or a mesh as a scene, told apart by what the file holds.

    colours: which of a file's are read, where it has both kinds. degree: of the harmonics that are
    read of splats; 0 = their colours are the same from everywhere. photo: a picture and the camera
    that took it, in metres and z up; its depth is that of the points.
    """
    path, scene, memory = Path(path), None, []
    if splat_kind(path) is None and is_mesh(path):
        scene, origin = mesh_scene(path, up, scale)
        anchors = Anchors.empty()
        if photo is not None:  # points are needed for its depth alone
            anchors, _ = mesh_anchors(path, up, scale, origin=origin)
    else:
        anchors, origin = _read(path, up, scale, colours, degree)
    if photo is not None:
        picture = read_photo(photo[0])
        camera = fitted_camera(_without(photo[1], origin), *picture.size, None)
        memory.append(_seen(anchors, picture.rgb, camera, Path(photo[0]).stem))
    provenance = remember({"source": "ply", "file": path.name}, origin)
    if scene is not None:
        scene = dataclasses.replace(scene, viewpoints=tuple(f.camera for f in memory))
        return World(Anchors.empty(), memory, 1, provenance, scene)
    return World(anchors=anchors, memory=memory, revision=1, provenance=provenance)


def _read(
    path: Path, up: str | None, scale: float, colours: ColourMode, degree: int
) -> tuple[Anchors, np.ndarray]:
    kind = splat_kind(path)
    if kind is not None:
        splats = read_splats(path, kind, colours, degree)
        return splat_anchors(splats, up or UP.get(kind, "-y"), scale)
    return read_ply(path, up, scale, colours=colours)


def _without(camera: Camera, origin: np.ndarray) -> Camera:
    """A camera of the file's coordinates in those of the world."""
    if not origin.any():
        return camera
    c2w = camera.c2w.copy()
    c2w[:3, 3] -= origin
    return dataclasses.replace(camera, c2w=c2w)


def _seen(anchors: Anchors, rgb: np.ndarray, camera: Camera, name: str) -> MemoryFrame:
    depth = render_points(PointCloud(anchors), camera).depth.numpy()
    return MemoryFrame(frame_id(camera, rgb), name, camera, rgb, depth)

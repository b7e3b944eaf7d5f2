# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference's input: meta.json with one picture, K and a camera path.

Its axes have y down, the picture looks along x from the origin, and pixel centres are whole
numbers; the picture has the field of view that K has over twice its principal point.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...models.depth import DepthEstimator
from ...shared.camera import Camera
from ...shared.errors import CameraError, InputError
from ...shared.reading import as_sentence, inside, read_json
from ...shared.world import World
from ..exporters import REFERENCE_FROM_WORLD
from ..progress import Progress, silent
from .photo import world_from_photo

MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, eq=False)
class ReferenceInput:
    """image: path of the picture. photo: its camera. path: the cameras to render."""

    name: str
    image: Path
    photo: Camera
    path: list[Camera]


def world_from_meta(
    path: Path, depth: str | DepthEstimator = "auto", progress: Progress = silent
) -> tuple[World, list[Camera]]:
    """The picture's world and the cameras to render."""
    given = read_meta(path)
    built = world_from_photo(
        given.image, float(given.photo.position[2]), given.photo, depth, progress
    )
    return built.world, given.path


def read_meta(path: Path, camera_height: float = 1.6) -> ReferenceInput:
    """The picture stands `camera_height` metres above the ground at z = 0, looking along +x.

    Raises InputError when the file is damaged or names a picture outside its folder.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"'{path}' cannot be read; check the path.")
    with as_sentence(
        lambda why: InputError(
            f"'{path.name}' needs name, image, K (3x3) and a list of c2w (4x4): {why}."
        )
    ):
        data = read_json(path, MAX_BYTES)
        K = np.array(data["K"], dtype=np.float64)
        matrices = np.array(data["c2w"], dtype=np.float64)
        matrices = matrices[None] if matrices.ndim == 2 else matrices  # one camera may stand bare
        name, image = str(data["name"]), str(data["image"])
    if K.shape != (3, 3) or matrices.ndim != 3 or matrices.shape[1:] != (4, 4):
        raise InputError(f"'{path.name}' needs K as 3x3 and c2w as a list of 4x4 matrices.")
    absent = InputError(
        f"'{path.name}' names the picture '{image[:80]}', which is not in its folder."
    )
    picture = inside(path.parent, image, lambda _: absent)
    if not picture.is_file():
        raise absent
    if not np.isfinite(K).all():
        raise InputError(f"'{path.name}' has a K that is not finite.")
    with as_sentence(
        lambda why: InputError(f"'{path.name}' has a camera that cannot be rendered: {why}."),
        CameraError,
    ):
        width, height = round(2 * K[0, 2]), round(2 * K[1, 2])
        return ReferenceInput(
            name,
            picture,
            Camera(_shifted(K), _facing_x(camera_height), width, height),
            [Camera(_shifted(K), _to_world(m, camera_height), width, height) for m in matrices],
        )


def _shifted(K: np.ndarray) -> np.ndarray:
    """Pixel centres from whole numbers to +0.5."""
    K = K.copy()
    K[:2, 2] += 0.5
    return K


def _facing_x(height: float) -> np.ndarray:
    c2w = np.eye(4)
    c2w[:3, :3] = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    c2w[2, 3] = height
    return c2w


def _to_world(c2w: np.ndarray, height: float) -> np.ndarray:
    turned = np.eye(4)
    turned[:3, :3] = REFERENCE_FROM_WORLD.T @ c2w[:3, :3]
    turned[:3, 3] = REFERENCE_FROM_WORLD.T @ c2w[:3, 3]
    turned[2, 3] += height
    return turned

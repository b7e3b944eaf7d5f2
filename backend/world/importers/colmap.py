# SPDX-License-Identifier: GPL-3.0-or-later
"""COLMAP's models beside their pictures: views, points, and which view saw which point."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...data.capture_views import Capture, CaptureView, find_picture
from ...data.lenses import Lens
from ...shared.errors import InputError
from ...shared.leftovers import temporary_folder
from ...shared.reading import inside
from .apart import run_apart
from .colmap_files import check_binary_model

_MODELS = ("", "sparse/0", "sparse", "colmap/sparse/0", "colmap/sparse", "distorted/sparse/0", "0")
_PICTURES = ("images", "input", "images_2", "images_4", "images_8", "images_orig", "rgb", "")
_SECONDS, _BYTES_A_SECOND = 20.0, 4e6
_GIGABYTES, _MEMORY_A_BYTE = 4.0, 40


@dataclass(eq=False)
class SparsePoints:
    """Points that a reconstruction found.

    xyz: (N, 3) float64. rgb: (N, 3) uint8. image, point: (S,) int32, view `image` saw `point`;
    both empty where nothing is known of who saw what.
    """

    xyz: np.ndarray
    rgb: np.ndarray
    image: np.ndarray
    point: np.ndarray

    def moved(self, turn: np.ndarray, move: np.ndarray, scale: float) -> SparsePoints:
        """scale * (turn @ xyz + move). turn: (3, 3). move: (3,)."""
        return SparsePoints(scale * (self.xyz @ turn.T + move), self.rgb, self.image, self.point)


def colmap_model(folder: Path) -> Path | None:
    """The folder with cameras and images (.bin or .txt), in or below `folder`, or None."""
    for name in _MODELS:
        place = folder / name
        if any((place / f"cameras{e}").is_file() and (place / f"images{e}").is_file()
               for e in (".bin", ".txt")):  # fmt: skip
            return place
    return None


def read_colmap(folder: Path, place: Path | None = None) -> tuple[Capture, SparsePoints]:
    """Views in COLMAP's own gauge. place: the model's folder, where it is not in `folder`.

    Raises InputError for a model that is damaged or empty.
    """
    place = place or colmap_model(folder)
    if place is None:
        raise InputError(f"'{folder}' has no COLMAP model (cameras, images, points3D).")
    model, arrays = load_model(place)
    names = [str(image["name"]) for image in model["images"]]
    pictures = _picture_folder(folder, place, names)
    capture = Capture([])
    kept = np.full(len(names), -1, np.int32)
    for number, image in enumerate(model["images"]):
        name = names[number]
        picture = capture.usable(_picture(pictures, name), name)
        if picture is None:
            continue
        kept[number] = len(capture.views)
        capture.views.append(_view(name, picture, model["cameras"][image["camera"]], image))
    return capture, _points(arrays, kept)


def load_model(place: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What `read_colmap.main` made of the model in `place`, its arrays (N, ...) by name.

    Raises InputError.
    """
    check_binary_model(place)
    size = sum(f.stat().st_size for f in place.iterdir() if f.is_file())
    with temporary_folder("colmap") as temporary:
        run_apart(
            "read_colmap", place, temporary,
            what=f"The COLMAP model in '{place.name}'",
            seconds=_SECONDS + size / _BYTES_A_SECOND,
            gigabytes=_GIGABYTES + size * _MEMORY_A_BYTE / 1e9,
        )  # fmt: skip
        model = json.loads((temporary / "model.json").read_text(encoding="utf-8"))
        with np.load(temporary / "points.npz", allow_pickle=False) as stored:
            arrays = dict(stored)
    if not model["images"]:
        raise InputError("The COLMAP model has no registered pictures.")
    return model, arrays


def _picture(folder: Path, name: str) -> Path | None:
    """Raises InputError for a name that leads out of the folder."""
    said = f"The COLMAP model names '{name}', which is outside its folder."
    inside(folder, name, lambda _: InputError(said))
    return find_picture(folder, name)


def _picture_folder(folder: Path, place: Path, names: list[str]) -> Path:
    """The folder in which the first of the named pictures is found."""
    roots = dict.fromkeys((folder, place.parent, place.parent.parent, place))
    folders = [root / name for root in roots for name in _PICTURES if (root / name).is_dir()]
    for candidate in folders:
        for name in names[:50]:
            with suppress(InputError):
                if _picture(candidate, name) is not None:
                    return candidate
    if folders[0] in roots:
        raise InputError(f"'{folder}' has no folder 'images' with the pictures of its model.")
    return folders[0]


def _view(name: str, picture: Path, camera: list[Any], image: dict[str, Any]) -> CaptureView:
    world_to_camera = np.array(image["world_to_camera"], np.float64)
    if world_to_camera.shape != (3, 4) or not np.isfinite(world_to_camera).all():
        raise InputError(
            f"The COLMAP model places '{name}' nowhere (its numbers are not finite); export it "
            "again."
        )
    c2w = np.eye(4)
    c2w[:3, :3] = world_to_camera[:, :3].T
    c2w[:3, 3] = -c2w[:3, :3] @ world_to_camera[:, 3]
    model, width, height, params = camera
    return CaptureView(name, picture, Lens(model, width, height, tuple(params)), c2w)


def _points(arrays: dict[str, np.ndarray], kept: np.ndarray) -> SparsePoints:
    """Without what is not finite or fits its views badly; views renumbered by `kept`."""
    xyz, error = arrays["xyz"], arrays["error"]
    good = np.isfinite(xyz).all(axis=1) & (np.abs(xyz) < 1e9).all(axis=1)
    if good.any():
        limit = max(4.0, 4 * float(np.nanmedian(np.abs(error[good]))))
        good &= ~(error > limit)
    number = np.cumsum(good) - 1
    image, point = arrays["seen_image"], arrays["seen_point"]
    valid = (image >= 0) & good[point]
    image, point = kept[image[valid]], number[point[valid]].astype(np.int32)
    valid = image >= 0
    return SparsePoints(xyz[good], arrays["rgb"][good], image[valid], point[valid])

# SPDX-License-Identifier: GPL-3.0-or-later
"""A COLMAP model as plain arrays; runs in a process of its own (see `apart`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ...shared.errors import InputError

MOST_SEEN = 8_000_000
"""Sightings of points that are kept; more of them tell no more of which views are neighbours."""


def main(source: str, target: str) -> None:
    """Reads the model in the folder `source` into model.json and points.npz in `target`."""
    import pycolmap

    pycolmap.logging.minloglevel = 3
    place = Path(source)
    try:
        model = pycolmap.Reconstruction(str(place))
    except (ValueError, RuntimeError, IndexError, MemoryError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"The COLMAP model in '{place.name}' is damaged; export it again ({reason})."
        ) from error
    ids = sorted(model.reg_image_ids())
    images = [model.images[i] for i in ids]
    cameras = {
        str(i): [c.model.name, int(c.width), int(c.height), [float(p) for p in c.params]]
        for i, c in model.cameras.items()
    }
    placed = [
        {
            "name": image.name,
            "camera": str(image.camera_id),
            "world_to_camera": image.cam_from_world().matrix().tolist(),
        }
        for image in images
    ]
    points = list(model.points3D.values())
    image, point = _sightings(points, ids)
    np.savez(
        Path(target) / "points.npz",
        xyz=np.array([p.xyz for p in points], np.float64).reshape(-1, 3),
        rgb=np.array([p.color for p in points], np.uint8).reshape(-1, 3),
        error=np.array([p.error for p in points], np.float64),
        seen_image=np.array(image, np.int32),
        seen_point=np.array(point, np.int32),
    )
    text = json.dumps({"cameras": cameras, "images": placed})
    (Path(target) / "model.json").write_text(text, encoding="utf-8")


def _sightings(points: list[Any], ids: list[int]) -> tuple[list[int], list[int]]:
    """The image (-1 = none of `ids`) and the point of each time that a point was seen."""
    number = {image: n for n, image in enumerate(ids)}
    image: list[int] = []
    point: list[int] = []
    for n, one in enumerate(points):
        if len(image) > MOST_SEEN:
            break
        for element in one.track.elements:
            image.append(number.get(element.image_id, -1))
            point.append(n)
    return image, point

# SPDX-License-Identifier: GPL-3.0-or-later
"""Four scenes of `backend/data/blender_scenes.py` with surfaces and lamps: 256 x 256, Standard."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from .stage import Shot, Stage

VIEWS, SIZE = 16, 256
REFERENCES = (7, 1, 13)
"""Views that may be captured; the others are targets."""
SCENES = ("room", "street", "canyon", "corridor")


def _build(name: str) -> Stage:
    data = str(Path(__file__).resolve().parents[2] / "backend" / "data")
    if data not in sys.path:  # they are parts of a program that is run by path
        sys.path.append(data)
    import blender_scenes as given

    kit = given.Kit(1 + 100 * sorted(given.SCENES).index(name))
    path, aims, fov = given.SCENES[name](kit)
    given.prepare(kit.scene, (SIZE, SIZE), 1)
    made = given.make_camera(kit.scene, fov)
    made.name, made.rotation_mode = "Path", "QUATERNION"
    for view in range(VIEWS):
        t = view / (VIEWS - 1)
        given.look(made, given.bezier(path, t), given.bezier(aims, t))
        made.keyframe_insert("location", frame=view + 1)
        made.keyframe_insert("rotation_quaternion", frame=view + 1)
    views = [Shot("Path", view + 1) for view in range(VIEWS)]
    targets = [view for i, view in enumerate(views) if i not in REFERENCES]
    return Stage([views[i] for i in REFERENCES], targets, size=(SIZE, SIZE))


BUILDERS: dict[str, Callable[[], Stage]] = {f"{n}_256": partial(_build, n) for n in SCENES}

# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the camera and all that moves stand when the shutter opens and closes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import bpy
import numpy as np

from ..backend.shared.camera import Camera
from ..backend.shared.motion import Move, Pose
from ..backend.shared.scene import Instance, Scene
from .cameras import render_camera, scene_camera
from .deforming import deforms
from .geometry import instances, vertices_of

_BEFORE = {"START": 0.0, "CENTER": 0.5, "END": 1.0}
"""Share of the time that the shutter is open that lies before the frame."""
_HAIR = "/hair "
"""What follows an instance's key in those of its particle systems, which go where it goes."""


class _Moment(NamedTuple):
    """Of a scene, in metres: its camera, and what may move by its key."""

    camera: Camera
    poses: dict[str, Pose]


@dataclass(frozen=True, eq=False)
class Shutter:
    """What a scene was like when its shutter opened and is like when that closes."""

    _begin: _Moment | None = None
    _end: _Moment | None = None

    @property
    def opened(self) -> Camera | None:
        """The camera when it opens; None where nothing moves."""
        return None if self._begin is None else self._begin.camera

    @property
    def closed(self) -> Camera | None:
        """The same when it closes."""
        return None if self._end is None else self._end.camera

    def moves(self, scene: Scene | None) -> tuple[Move, ...]:
        """What of `scene` stands elsewhere at either time, or is bent otherwise."""
        if scene is None or self._begin is None or self._end is None:
            return ()
        found = []
        for one in scene.instances:
            key = one.key.rsplit(_HAIR, 1)[0]
            now = Pose(one.matrix)
            begin, end = (m.poses.get(key, now) for m in (self._begin, self._end))
            if _differs(scene, one, begin) or _differs(scene, one, end):
                found.append(Move(one.key, begin, end))
        return tuple(found)


STANDING = Shutter()
"""Nothing moves."""


def shutter(engine: bpy.types.RenderEngine, depsgraph: bpy.types.Depsgraph) -> Shutter:
    """The shutter of a render.

    The scene is evaluated at both times and then at its own again: nothing evaluated that was
    taken from `depsgraph` before is good afterwards. Raises CameraError as `render_camera`.
    """
    scene = depsgraph.scene_eval
    viewer = engine.camera_override or scene_camera(scene)
    if not scene.render.use_motion_blur or not _anything_may_move(viewer, depsgraph):
        return STANDING
    frame, subframe = scene.frame_current, scene.frame_subframe
    open_for = scene.render.motion_blur_shutter
    position = getattr(scene.render, "motion_blur_position", "CENTER")
    begins = frame + subframe - _BEFORE[position] * open_for
    found = []
    try:
        for when in (begins, begins + open_for):
            whole = math.floor(when)
            engine.frame_set(whole, when - whole)
            found.append(_moment(viewer, depsgraph))
    finally:
        engine.frame_set(frame, subframe)
    return Shutter(*found)


def _moment(viewer: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> _Moment:
    scene = depsgraph.scene_eval
    metres = scene.unit_settings.scale_length
    bent: dict[int, np.ndarray | None] = {}
    poses = {}
    for one in instances(depsgraph):
        blurred, bends = _switches(one.object)
        if not blurred:
            continue
        matrix = np.array(one.matrix, dtype=np.float64)
        matrix[:3] *= metres
        data = one.object.data.as_pointer()
        if bends and data not in bent:
            bent[data] = vertices_of(one.object) if deforms(one.object) else None
        vertices = bent[data] if bends else None
        if np.isfinite(matrix).all() and (vertices is None or np.isfinite(vertices).all()):
            poses[one.key] = Pose(matrix, vertices)
    return _Moment(render_camera(viewer.evaluated_get(depsgraph), scene), poses)


def _switches(ob: bpy.types.Object) -> tuple[bool, bool]:
    """Whether Cycles' settings have an object blurred at all, and where it bends."""
    settings = getattr(ob.original, "cycles", None)
    return getattr(settings, "use_motion_blur", True), getattr(settings, "use_deform_motion", True)


def _differs(scene: Scene, one: Instance, pose: Pose) -> bool:
    if not np.array_equal(pose.matrix, one.matrix):
        return True
    return pose.vertices is not None and not np.array_equal(
        pose.vertices, scene.meshes[one.mesh].vertices
    )


def _anything_may_move(viewer: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> bool:
    """Looks at every object, those of instanced collections as well."""
    return _may_move(viewer) or any(
        _may_move(one) or deforms(one) or len(one.particle_systems) > 0
        for one in depsgraph.ids
        if isinstance(one, bpy.types.Object)
    )


def _may_move(ob: bpy.types.Object) -> bool:
    """Whether anything is there that could move an object, or zoom a camera."""
    own = ob.animation_data is not None or len(ob.constraints) or ob.rigid_body is not None
    if own or (ob.type == "CAMERA" and ob.data.animation_data is not None):
        return True
    return ob.parent is not None and (ob.parent_type != "OBJECT" or _may_move(ob.parent))

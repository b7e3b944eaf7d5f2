# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an animated object will be at other frames, without moving anything.

Reads F-curves instead of setting frames: it may run in the middle of a render.
"""

from __future__ import annotations

import bpy
import numpy as np
from mathutils import Euler, Matrix, Quaternion, Vector
from mathutils.geometry import interpolate_bezier

TURNING = {"TRACK_TO", "DAMPED_TRACK", "LOCKED_TRACK", "COPY_ROTATION", "LIMIT_ROTATION"}
"""Constraints that turn an object and leave it in its place."""

COPYING = {"COPY_LOCATION", "COPY_TRANSFORMS"}
"""Constraints that put an object where another is."""

_SEGMENTS = 16
"""Points taken of each curved segment of a path."""

_TRANSFORMS = ("location", "rotation_euler", "rotation_quaternion", "rotation_axis_angle", "scale")


def fcurves_of(owner: bpy.types.ID) -> list[bpy.types.FCurve]:
    """The F-curves of an ID's action, in every Blender from 4.2 on."""
    data = owner.animation_data
    action = data.action if data else None
    if action is None:
        return []
    if hasattr(action, "layers"):
        slot = getattr(data, "action_slot", None)
        bags = [
            strip.channelbag(slot)
            for layer in action.layers
            for strip in layer.strips
            if slot is not None and strip.type == "KEYFRAME"
        ]
        if any(bags):
            return [curve for bag in bags if bag for curve in bag.fcurves]
    return list(getattr(action, "fcurves", ()))


def is_predictable(ob: bpy.types.Object) -> bool:
    """Whether an object's place follows from its own and its parents' F-curves alone."""
    data = ob.animation_data
    if data and (len(data.drivers) or any(not track.mute for track in data.nla_tracks)):
        return False
    if any(c.type not in TURNING for c in ob.constraints if c.enabled):
        return False
    return ob.parent is None or (ob.parent_type == "OBJECT" and is_predictable(ob.parent))


def turns_by_itself(ob: bpy.types.Object) -> bool:
    """Whether a constraint decides where an object, or a parent of it, looks."""
    own = any(c.enabled and c.type in TURNING for c in ob.constraints)
    return own or (ob.parent is not None and turns_by_itself(ob.parent))


def moves(ob: bpy.types.Object) -> bool:
    """Whether an object or one of its parents has F-curves of its transform."""
    own = any(curve.data_path in _TRANSFORMS for curve in fcurves_of(ob))
    return own or (ob.parent is not None and moves(ob.parent))


def places(ob: bpy.types.Object, frames: np.ndarray) -> np.ndarray | None:
    """(N, 3) where an object may stand during `frames`, in the scene's units; None = unknown.

    For what follows a path, copies another's place or is carried by what does: about right, in no
    order of time, and the same whatever frame the scene is at.
    """
    if is_predictable(ob):
        return np.array([world_matrix_at(ob, frame)[:3, 3] for frame in frames])
    data = ob.animation_data
    if data and (len(data.drivers) or any(not track.mute for track in data.nla_tracks)):
        return None
    placing = [c for c in ob.constraints if c.enabled and c.type not in TURNING]
    if not placing:
        carried = ob.parent is not None and ob.parent_type == "OBJECT"
        return places(ob.parent, frames) if carried else None
    target = getattr(placing[0], "target", None)
    if len(placing) > 1 or target is None:
        return None
    if placing[0].type in COPYING:
        return places(target, frames)
    if placing[0].type != "FOLLOW_PATH" or target.type != "CURVE" or not is_predictable(target):
        return None
    points = _path_points(target.data)
    if not len(points):
        return None
    own = np.array(_basis_at(ob, frames[0]))[:3, 3]
    matrix = world_matrix_at(target, frames[0])
    return points @ matrix[:3, :3].T + matrix[:3, 3] + own


def _path_points(curve: bpy.types.Curve) -> np.ndarray:
    """(N, 3) points along a curve's first spline, the one that objects follow."""
    if not len(curve.splines):
        return np.zeros((0, 3))
    spline = curve.splines[0]
    if spline.type != "BEZIER":
        return np.array([point.co[:3] for point in spline.points])
    knots = list(spline.bezier_points)
    pairs = list(zip(knots, knots[1:] + knots[:1], strict=True))
    if not spline.use_cyclic_u:
        pairs.pop()
    points = [
        point
        for one, other in pairs
        for point in interpolate_bezier(
            one.co, one.handle_right, other.handle_left, other.co, _SEGMENTS
        )
    ]
    return np.array(points or [knots[0].co])


def world_matrix_at(ob: bpy.types.Object, frame: float) -> np.ndarray:
    """(4, 4) float64 `matrix_world` at `frame`, by F-curves and parents; constraints left out."""
    matrix = _basis_at(ob, frame)
    if ob.parent is not None:
        parent = Matrix(world_matrix_at(ob.parent, frame).tolist())
        matrix = parent @ ob.matrix_parent_inverse @ matrix
    return np.array(matrix, dtype=np.float64)


def number_at(owner: bpy.types.ID, name: str, frame: float) -> float:
    """The number `name` of a data-block at `frame`, by its F-curve where it has one."""
    for curve in fcurves_of(owner):
        if curve.data_path == name and not curve.mute:
            return curve.evaluate(frame)
    return getattr(owner, name)


def _basis_at(ob: bpy.types.Object, frame: float) -> Matrix:
    values = {name: list(getattr(ob, name)) for name in _TRANSFORMS}
    for curve in fcurves_of(ob):
        if curve.data_path in values and not curve.mute:
            values[curve.data_path][curve.array_index] = curve.evaluate(frame)
    if ob.rotation_mode == "QUATERNION":
        rotation = Quaternion(values["rotation_quaternion"]).normalized()
    elif ob.rotation_mode == "AXIS_ANGLE":
        angle, *axis = values["rotation_axis_angle"]
        rotation = Quaternion(axis, angle)
    else:
        rotation = Euler(values["rotation_euler"], ob.rotation_mode).to_quaternion()
    return Matrix.LocRotScale(Vector(values["location"]), rotation, Vector(values["scale"]))

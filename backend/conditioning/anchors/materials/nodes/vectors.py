# SPDX-License-Identifier: GPL-3.0-or-later
"""Vector Math, Vector Rotate and Transform, and the normals that textures make."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .....shared.scene import Instance
from ..evaluation import Call, Evaluation
from ..program import Link
from ..registry import node
from ..values import FLOAT, VECTOR, as_wide, divide, dot, unit
from .coordinates import from_object_normal, object_normal, to_world
from .mapping import rotation, turned
from .numbers import OPERATIONS

FILTER_WIDTH = 0.1
"""Of a pixel: how far Blender 5 looks aside for slopes; a whole pixel before."""
_BY_COMPONENT = {
    name: OPERATIONS[name]
    for name in (
        *("ADD", "SUBTRACT", "MULTIPLY", "DIVIDE", "MULTIPLY_ADD", "ABSOLUTE", "MINIMUM"),
        *("MAXIMUM", "FLOOR", "CEIL", "MODULO", "WRAP", "SNAP", "SINE", "COSINE", "TANGENT"),
        *("POWER", "SIGN", "ROUND"),
    )
} | {"FRACTION": OPERATIONS["FRACT"]}


@node("VECT_MATH", Vector=VECTOR, Value=FLOAT)
def vector_math(call: Call) -> dict[str, np.ndarray]:
    """Operations by component, and those of whole vectors. Vector: (3,) or (N, 3). Value: () or
    (N,)."""
    kind = call.prop("operation", "ADD")
    a, b = call.vector("Vector"), call.vector("Vector_001")
    if kind in _BY_COMPONENT:
        return {"Vector": _BY_COMPONENT[kind](a, b, call.vector("Vector_002"))}
    if kind == "DOT_PRODUCT":
        return {"Value": dot(*np.broadcast_arrays(a, b))}
    if kind in ("LENGTH", "DISTANCE"):
        way = a if kind == "LENGTH" else a - b
        return {"Value": np.sqrt(dot(way, way))}
    return {"Vector": _whole(call, kind, a, b)}


def _whole(call: Call, kind: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if kind == "SCALE":
        return a * call.float("Scale", 1.0)[..., None]
    if kind == "NORMALIZE":
        return unit(a)
    if kind == "CROSS_PRODUCT":
        return np.cross(a, b)
    a, b = np.broadcast_arrays(a, b)
    if kind == "PROJECT":
        return divide(dot(a, b), dot(b, b))[..., None] * b
    if kind == "REFLECT":
        n = unit(b)
        return a - 2 * dot(a, n)[..., None] * n
    if kind == "REFRACT":
        return _refracted(a, unit(b), call.float("Scale", 1.0))
    if kind == "FACEFORWARD":
        c = np.broadcast_to(call.vector("Vector_002"), b.shape)
        return np.where((dot(c, b) < 0)[..., None], a, -a)
    return a + b


def _refracted(a: np.ndarray, n: np.ndarray, eta: np.ndarray) -> np.ndarray:
    along = dot(n, a)
    k = 1 - eta * eta * (1 - along * along)
    way = eta[..., None] * a - (eta * along + np.sqrt(np.maximum(k, 0)))[..., None] * n
    return np.where((k < 0)[..., None], 0, way)


@node("VECTOR_ROTATE", Vector=VECTOR)
def vector_rotate(call: Call) -> np.ndarray:
    """(3,) or (N, 3), about an axis, one of the coordinates', or by Euler angles; radians."""
    kind = call.prop("rotation_type", "AXIS_ANGLE")
    center, vector = call.vector("Center"), call.vector("Vector") - call.vector("Center")
    back = call.prop("invert", False)
    if kind == "EULER_XYZ":
        matrix = rotation(call.vector("Rotation"))
        return turned(np.swapaxes(matrix, -1, -2) if back else matrix, vector) + center
    axes = {"X_AXIS": (1, 0, 0), "Y_AXIS": (0, 1, 0), "Z_AXIS": (0, 0, 1)}
    axis = np.asarray(axes[kind], np.float32) if kind in axes else call.vector("Axis", (0, 0, 1))
    axis = unit(axis)
    if axis.ndim == 1 and not axis.any():
        return vector + center
    angle = call.float("Angle") * (-1 if back else 1)
    cos, sin = np.cos(angle)[..., None], np.sin(angle)[..., None]
    along = dot(*np.broadcast_arrays(axis, vector))[..., None]
    return vector * cos + np.cross(axis, vector) * sin + axis * along * (1 - cos) + center


@node("VECT_TRANSFORM", varies=True, Vector=VECTOR)
def vector_transform(call: Call) -> np.ndarray:
    """(3,) or (N, 3), between world and object; the camera's space counts as the world's."""
    vector = call.vector("Vector", (0.5, 0.5, 0.5))
    source = call.prop("convert_from", "WORLD") == "OBJECT"
    target = call.prop("convert_to", "OBJECT") == "OBJECT"
    kind = call.prop("vector_type", "VECTOR")
    if source != target:
        units = np.diag([1 / call.units] * 3 + [1])

        def there(instance: Instance) -> np.ndarray:
            matrix = units @ instance.matrix
            return np.linalg.pinv(matrix) if target else matrix

        def turning(instance: Instance) -> np.ndarray:
            made = there(instance)[:3, :3]
            return made.T if kind != "NORMAL" else np.linalg.pinv(made)

        vector = call.points.turned(vector, turning)
        if kind == "POINT":
            vector = vector + call.points.of_instances(lambda instance: there(instance)[:3, 3])
    return unit(vector) if kind == "NORMAL" else vector


@node("NORMAL", Normal=VECTOR, Dot=FLOAT)
def normal(call: Call) -> dict[str, np.ndarray]:
    """A direction (3,) that is set, and how much, () or (N,), another agrees with it."""
    own = unit(np.asarray(call.prop("direction", [0.0, 0.0, 1.0])[:3], np.float32))
    other = unit(call.vector("Normal", (0.0, 0.0, 1.0)))
    return {"Normal": own, "Dot": dot(*np.broadcast_arrays(own, other))}


def _own(call: Call) -> np.ndarray:
    """The normal that is plugged in, or the surface's."""
    points = call.points
    if call.linked("Normal") is None:
        return points.normal
    return np.broadcast_to(call.vector("Normal"), points.normal.shape)


@node("NORMAL_MAP", varies=True, Normal=VECTOR)
def normal_map(call: Call) -> np.ndarray:
    """(N, 3) unit: a picture of normals in tangent, object or world space."""
    points = call.points
    strength = np.maximum(call.float("Strength", 1.0), 0)
    bent = 2 * call.color("Color", (0.5, 0.5, 1.0)) - 1
    space = call.prop("space", "TANGENT")
    if space == "TANGENT":
        return _tangent_space(call, bent, strength)
    if space.startswith("BLENDER"):
        bent = bent * np.array([1, -1, -1], np.float32)
    bent = np.broadcast_to(bent, points.normal.shape)
    bent = from_object_normal(points, bent) if space.endswith("OBJECT") else unit(bent)
    bent = np.where(points.back[:, None], -bent, bent)
    return unit(points.normal + (bent - points.normal) * strength[..., None])


def _tangent_space(call: Call, bent: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """(N, 3): put together in the mesh's own space, so that an object's scale bends it too."""
    points = call.points
    along, across = (
        points.turned(way, _from_world) for way in points.tangents(call.prop("uv_map", ""))
    )
    sign = np.where(points.back, -1, 1).astype(np.float32)[:, None]
    normal = object_normal(points) * sign
    along = unit(along - dot(along, normal)[:, None] * normal)
    turn = np.sign(dot(np.cross(normal, along), across))[:, None]
    up = 1 + (bent[..., 2] - 1) * np.clip(strength, 0, 1)
    x, y = bent[..., 0] * strength, bent[..., 1] * strength
    made = along * x[..., None] + np.cross(normal, along) * turn * y[..., None]
    made = from_object_normal(points, made + normal * up[..., None]) * sign
    plain = (dot(along, along) == 0)[:, None]
    return np.where(plain, points.normal, made)


def _from_world(instance: Instance) -> np.ndarray:
    """(3, 3), for rows: directions into the mesh's own space."""
    return np.linalg.pinv(to_world(instance)).T


@node("BUMP", varies=True, Normal=VECTOR)
def bump(call: Call) -> np.ndarray:
    """(N, 3): the surface moved by a height: from how it differs one footprint aside."""
    normal = _own(call)
    height = call.linked("Height")
    if height is None:
        return normal
    distance = call.float("Distance", 1.0) * (-1 if call.prop("invert", False) else 1)
    distance = np.where(call.points.back, -distance, distance) * np.float32(call.units)
    strength = np.clip(call.float("Strength", 1.0), 0, None)
    width = call.float("Filter Width", 1.0)
    share = float(width) if width.ndim == 0 and width > 0 else FILTER_WIDTH
    bent = bumped(call.evaluation, normal, lambda at: at.float_of(height), distance, share)
    return unit(normal + (bent - normal) * strength[..., None])


def bumped(
    evaluation: Evaluation,
    normal: np.ndarray,
    height: Callable[[Evaluation], np.ndarray],
    distance: np.ndarray,
    share: float,
) -> np.ndarray:
    """(N, 3) normals after Mikkelsen, "Bump Mapping Unparametrized Surfaces on the GPU".

    height: () or (N,) of an evaluation, in `distance` metres. share: of a point's width that
    heights are compared over.
    """
    here = height(evaluation)
    (there0, way0), (there1, way1) = (evaluation.moved(axis, share) for axis in (0, 1))
    slope0, slope1 = height(there0) - here, height(there1) - here
    r0, r1 = np.cross(way1, normal), np.cross(normal, way0)
    det = dot(way0, r0)
    gradient = slope0[..., None] * r0 + slope1[..., None] * r1
    bent = np.abs(det)[:, None] * normal - (distance * np.sign(det))[..., None] * gradient
    flat = dot(bent, bent) <= 0
    return np.where(flat[:, None], normal, unit(bent))


@node("DISPLACEMENT", varies=True, Displacement=VECTOR)
def displacement(call: Call) -> np.ndarray:
    """(N, 3) metres along the normal."""
    normal = _own(call)
    height = (call.float("Height") - call.float("Midlevel", 0.5)) * call.float("Scale", 1.0)
    if call.prop("space", "OBJECT") == "OBJECT":
        points = call.points
        own = unit(points.turned(normal, to_world)) * height[..., None]
        return points.turned(own, lambda instance: to_world(instance).T)
    return normal * height[..., None] * np.float32(call.units)


def displaced_normals(evaluation: Evaluation, way: Link) -> np.ndarray:
    """(N, 3) normals of the surface moved by the vectors of `way`, the surface left in place."""
    normal = evaluation.standing().normal

    def height(at: Evaluation) -> np.ndarray:
        return dot(normal, np.broadcast_to(as_wide(*at.value(way)), normal.shape))

    distance = np.where(evaluation.standing().back, -1, 1).astype(np.float32)
    return bumped(evaluation, normal, height, distance, FILTER_WIDTH)

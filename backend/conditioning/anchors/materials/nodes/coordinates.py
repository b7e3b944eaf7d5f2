# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that tell where a point is, which way it faces and who looks."""

from __future__ import annotations

import numpy as np

from .....shared.scene import Instance
from ...shading_points import ShadingPoints
from ..evaluation import Call
from ..registry import node
from ..values import COLOR, FLOAT, VECTOR, dot, unit


def flat3(uv: np.ndarray) -> np.ndarray:
    """(N, 3) of `uv` (N, 2), the third 0."""
    return np.concatenate([uv, np.zeros((len(uv), 1), np.float32)], axis=1)


def default_coordinates(points: ShadingPoints, kind: str) -> np.ndarray:
    """(N, 3) that a texture node takes when nothing is plugged in: UV or GENERATED."""
    return flat3(points.uv()) if kind == "UV" else points.generated()


def object_normal(points: ShadingPoints) -> np.ndarray:
    """(N, 3) shading normals in the mesh's own space."""
    return unit(points.turned(points.normal, to_world))


def from_object_normal(points: ShadingPoints, normals: np.ndarray) -> np.ndarray:
    """(N, 3) normals of the mesh's own space in world space."""
    return unit(points.turned(normals, lambda instance: np.linalg.pinv(to_world(instance))))


def to_world(instance: Instance) -> np.ndarray:
    """(3, 3) rotation and scale from the mesh's own space to the world."""
    return instance.matrix[:3, :3]


@node(
    "TEX_COORD",
    varies=True,
    Generated=VECTOR,
    Normal=VECTOR,
    UV=VECTOR,
    Object=VECTOR,
    Camera=VECTOR,
    Window=VECTOR,
    Reflection=VECTOR,
)
def texture_coordinates(call: Call) -> dict[str, np.ndarray]:
    """(N, 3) each of what is asked for. Where no camera is known, its coordinates are the world's
    and the window's generated."""
    points = call.points
    made = {}
    if call.asked("Generated") or call.asked("Window"):
        made["Generated"] = made["Window"] = points.generated()
    if call.asked("UV"):
        made["UV"] = flat3(points.uv())
    if call.asked("Object"):
        made["Object"] = _object_place(call)
    if call.asked("Normal"):
        made["Normal"] = object_normal(points)
    if call.asked("Camera"):
        made["Camera"] = points.position / np.float32(call.units)
    if call.asked("Reflection"):
        made["Reflection"] = reflected(points.incoming, points.normal)
    return made


def _object_place(call: Call) -> np.ndarray:
    other = call.props.get("world_to_object")
    if other is None:
        return call.points.object_position()
    matrix = np.asarray(other, np.float32)
    place = call.points.position / np.float32(call.units)
    return place @ matrix[:3, :3].T + matrix[:3, 3]


def reflected(direction: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """(N, 3) directions (N, 3) mirrored about unit normals (N, 3)."""
    return 2 * dot(direction, normal)[:, None] * normal - direction


@node("UVMAP", varies=True, UV=VECTOR)
def uv_map(call: Call) -> np.ndarray:
    """(N, 3): a layer by name, the third coordinate 0."""
    return flat3(call.points.uv(call.prop("uv_map", "")))


@node(
    "NEW_GEOMETRY",
    varies=True,
    Position=VECTOR,
    Normal=VECTOR,
    Tangent=VECTOR,
    True__Normal=VECTOR,
    Incoming=VECTOR,
    Parametric=VECTOR,
    Backfacing=FLOAT,
    Pointiness=FLOAT,
    Random__Per__Island=FLOAT,
)
def geometry(call: Call) -> dict[str, np.ndarray]:
    """Pointiness, (), is a flat surface's, islands are one.

    Position, in Blender's units, and all directions: (N, 3). Backfacing: (N,). Random Per Island:
    () where there is one instance, else (N,).
    """
    points = call.points
    made = {
        "Position": points.position / np.float32(call.units),
        "Normal": points.normal,
        "True Normal": points.flat,
        "Incoming": points.incoming,
        "Backfacing": points.back.astype(np.float32),
        "Pointiness": np.full((), 0.5, np.float32),
        "Random Per Island": points.of_instances(_random),
    }
    if call.asked("Parametric"):
        last = 1 - points.u - points.v
        made["Parametric"] = np.stack([points.u, points.v, last], axis=1)
    if call.asked("Tangent"):
        made["Tangent"] = radial(points, "Z")
    return made


def radial(points: ShadingPoints, axis: str) -> np.ndarray:
    """(N, 3) tangents around an axis through the middle of the mesh's bounds."""
    x, y, z = (points.generated() - 0.5).T
    none = np.zeros_like(x)
    around = {"X": (none, -z, y), "Y": (-z, none, x)}.get(axis, (-y, x, none))
    tangent = unit(points.turned(np.stack(around, axis=1), lambda it: to_world(it).T))
    across = np.cross(points.normal, tangent)
    return unit(np.cross(across, points.normal))


@node("TANGENT", varies=True, Tangent=VECTOR)
def tangent(call: Call) -> np.ndarray:
    """(N, 3) unit, around an axis, or along a UV layer; zeros where the mesh lacks that."""
    if call.prop("direction_type", "RADIAL") == "UV_MAP":
        return call.points.tangents(call.prop("uv_map", ""))[0]
    return radial(call.points, call.prop("axis", "Z"))


@node("ATTRIBUTE", varies=True, Color=COLOR, Vector=VECTOR, Fac=FLOAT, Alpha=FLOAT)
def attribute(call: Call) -> dict[str, np.ndarray]:
    """A colour attribute or UV layer by name; of the object, what all objects have.

    Color, Vector: (N, 3), or (3,) of objects alike. Fac, Alpha: (N,), or () of objects alike.
    """
    name = call.prop("attribute_name", "")
    points = call.points
    if call.prop("attribute_type", "GEOMETRY") in ("OBJECT", "INSTANCER"):
        return _object_attribute(points, name)
    found = points.attribute(name)
    rgb = found[:, :3]
    return {"Color": rgb, "Vector": rgb, "Fac": rgb.mean(axis=1), "Alpha": found[:, 3]}


def _object_attribute(points: ShadingPoints, name: str) -> dict[str, np.ndarray]:
    color = points.of_instances(_color) if name == "color" else np.zeros(4, np.float32)
    rgb = color[..., :3]
    return {"Color": rgb, "Vector": rgb, "Fac": rgb.mean(axis=-1), "Alpha": color[..., 3]}


def _color(instance: Instance) -> np.ndarray:
    return np.asarray(instance.color, np.float32)


def _random(instance: Instance) -> np.ndarray:
    return np.full((), instance.random, np.float32)


@node("VERTEX_COLOR", varies=True, Color=COLOR, Alpha=FLOAT)
def vertex_color(call: Call) -> dict[str, np.ndarray]:
    """A colour attribute, the active one where none is named; black where it is missing.

    Color: (N, 3). Alpha: (N,).
    """
    found = call.points.color(call.prop("layer_name", ""))
    return {"Color": found[:, :3], "Alpha": found[:, 3]}


@node(
    "OBJECT_INFO",
    varies=True,
    Location=VECTOR,
    Color=COLOR,
    Alpha=FLOAT,
    Object__Index=FLOAT,
    Material__Index=FLOAT,
    Random=FLOAT,
)
def object_info(call: Call) -> dict[str, np.ndarray]:
    """Indices are 0.

    Location, in Blender's units, and Color: (3,) where there is one instance, else (N, 3). Alpha,
    Random: () or (N,) likewise.
    """
    points = call.points
    color = points.of_instances(_color)
    return {
        "Location": points.of_instances(lambda instance: instance.matrix[:3, 3] / call.units),
        "Color": color[..., :3],
        "Alpha": color[..., 3],
        "Random": points.of_instances(_random),
    }


@node(
    "LIGHT_PATH",
    varies=True,
    Is__Camera__Ray=FLOAT,
    Is__Diffuse__Ray=FLOAT,
    Is__Shadow__Ray=FLOAT,
    Is__Glossy__Ray=FLOAT,
    Is__Singular__Ray=FLOAT,
    Is__Reflection__Ray=FLOAT,
    Is__Transmission__Ray=FLOAT,
    Ray__Length=FLOAT,
    Ray__Depth=FLOAT,
    Diffuse__Depth=FLOAT,
    Glossy__Depth=FLOAT,
    Transparent__Depth=FLOAT,
    Transmission__Depth=FLOAT,
)
def light_path(call: Call) -> dict[str, np.ndarray]:
    """() each. A ray that is neither a camera's nor a shadow's is light's that bounces: a diffuse
    one."""
    camera, shadow = (
        np.full((), is_so, np.float32) for is_so in (call.points.is_camera, call.points.is_shadow)
    )
    other = 1 - np.maximum(camera, shadow)
    return {
        "Is Camera Ray": camera * (1 - shadow),
        "Is Shadow Ray": shadow,
        "Is Diffuse Ray": other,
        "Is Reflection Ray": other,
        "Ray Depth": other,
        "Diffuse Depth": other,
        "Ray Length": np.ones((), np.float32),
    }


@node("CAMERA", varies=True, View__Vector=VECTOR, View__Z__Depth=FLOAT, View__Distance=FLOAT)
def camera(call: Call) -> dict[str, np.ndarray]:
    """Only the direction, (N, 3), is known; distances, (), count as one metre."""
    one = np.ones((), np.float32)
    return {"View Vector": -call.points.incoming, "View Z Depth": one, "View Distance": one}


def cosine(call: Call) -> np.ndarray:
    """(N,) between the viewer and the normal that is plugged in, or the surface's own."""
    own = call.points.normal if call.linked("Normal") is None else call.vector("Normal")
    return dot(call.points.incoming, np.broadcast_to(own, call.points.incoming.shape))


def fresnel(cosines: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """(N,) float32 unpolarised reflectance, at `cosines` (N,), of a dielectric of relative index
    `eta`, () or (N,); 1 beyond total."""
    c = np.abs(cosines)
    g = eta * eta - 1 + c * c
    root = np.sqrt(np.maximum(g, 0))
    a = (root - c) / np.maximum(root + c, 1e-12)
    b = (c * (root + c) - 1) / (c * (root - c) + 1)
    return np.where(g > 0, 0.5 * a * a * (1 + b * b), 1).astype(np.float32)


@node("FRESNEL", varies=True, Fac=FLOAT)
def fresnel_node(call: Call) -> np.ndarray:
    """(N,) of the IOR, from inside where the back is seen."""
    eta = np.maximum(call.float("IOR", 1.5), 1e-5)
    return fresnel(cosine(call), np.where(call.points.back, 1 / eta, eta))


@node("LAYER_WEIGHT", varies=True, Fresnel=FLOAT, Facing=FLOAT)
def layer_weight(call: Call) -> dict[str, np.ndarray]:
    """(N,) each: Fresnel of an index made of the blend, and how much the surface is turned away."""
    blend, seen = call.float("Blend", 0.5), cosine(call)
    eta = np.maximum(1 - blend, 1e-5)
    made = {"Fresnel": fresnel(seen, np.where(call.points.back, eta, 1 / eta))}
    power = np.clip(blend, 0, 1 - 1e-5)
    power = np.where(power < 0.5, 2 * power, 0.5 / (1 - power))
    made["Facing"] = 1 - np.abs(seen) ** power
    return made


@node(
    "AMBIENT_OCCLUSION",
    instead="an open place",
    Color=COLOR,
    AO=FLOAT,
)
def ambient_occlusion(call: Call) -> dict[str, np.ndarray]:
    """Nothing near: all light comes in. Color: (3,) or (N, 3). AO: ()."""
    return {"Color": call.color("Color", (1.0, 1.0, 1.0)), "AO": np.ones((), np.float32)}


@node("BEVEL", varies=True, instead="the surface's normal", Normal=VECTOR)
def bevel(call: Call) -> np.ndarray:
    """(3,) or (N, 3): edges stay sharp."""
    return call.points.normal if call.linked("Normal") is None else call.vector("Normal")


@node("WIREFRAME", instead="the space between the edges", Fac=FLOAT)
def wireframe(call: Call) -> np.ndarray:
    """No edge: 0, for all points ()."""
    return np.zeros((), np.float32)


@node(
    "LIGHT_FALLOFF",
    instead="a light without falloff of its own",
    Quadratic=FLOAT,
    Linear=FLOAT,
    Constant=FLOAT,
)
def light_falloff(call: Call) -> dict[str, np.ndarray]:
    """Its strength, () or (N,), whatever the distance."""
    return dict.fromkeys(("Quadratic", "Linear", "Constant"), call.float("Strength", 100.0))


@node(
    "HAIR_INFO",
    varies=True,
    instead="the middle of a strand",
    Is__Strand=FLOAT,
    Intercept=FLOAT,
    Length=FLOAT,
    Thickness=FLOAT,
    Tangent__Normal=VECTOR,
    Random=FLOAT,
)
def hair_info(call: Call) -> dict[str, np.ndarray]:
    """Half way, (), from root to tip. Tangent Normal: (N, 3)."""
    half = np.full((), 0.5, np.float32)
    return {"Intercept": half, "Random": half, "Tangent Normal": call.points.normal}

# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's closures as lobes, and the walk through the shaders that mix and add them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .blend import Blend, Closure
from .evaluation import Call, Evaluation
from .nodes.coordinates import cosine
from .program import Link, Node
from .registry import NODES
from .sheen import sheen_albedo
from .strand import absorption, pigments, scattered
from .values import SHADER, as_wide

CLOSURES: dict[str, Callable[[Call], Closure]] = {}
ONE = np.ones(3, np.float32)
F82 = np.float32((6 / 7) ** 5)
"""Schlick's term at the angle whose cosine is 1/7, where metals' edge tints are given."""


def closure(*types: str) -> Callable:
    """Register what closures of these node types scatter."""

    def register(function: Callable[[Call], Closure]) -> Callable[[Call], Closure]:
        CLOSURES.update(dict.fromkeys(types, function))
        return function

    return register


def is_known(kind: str) -> bool:
    """Whether nodes of this type are evaluated."""
    return kind in NODES or kind in CLOSURES or kind in ("MIX_SHADER", "ADD_SHADER")


def walk(evaluation: Evaluation, surface: Link, blend: Blend) -> None:
    """Add every closure that `surface` is made of to `blend`.

    Links point backwards, so a node's weight is whole when its turn comes.
    """
    weights: dict[int, np.ndarray] = {surface.node: np.ones((), np.float32)}
    outputs = {surface.node: surface.out}
    for index in range(surface.node, -1, -1):
        weight = weights.pop(index, None)
        if weight is None:
            continue
        call = evaluation.call(index)
        for link, share in _shares(call):
            weights[link.node] = weights.get(link.node, 0) + weight * share
            outputs[link.node] = link.out
        made = _closure(call, outputs[index])
        if made is not None:
            blend.add(made, np.asarray(weight, np.float32))


def _shares(call: Call) -> list[tuple[Link, np.ndarray]]:
    first, second = call.linked("Shader"), call.linked("Shader_001")
    if call.node.type == "ADD_SHADER":
        found = [(first, np.ones((), np.float32)), (second, np.ones((), np.float32))]
    elif call.node.type == "MIX_SHADER":
        share = np.clip(call.float("Fac", 0.5), 0, 1)
        found = [(first, 1 - share), (second, share)]
    else:
        return []
    return [(k, w) for k, w in found if k is not None and not (w.ndim == 0 and w == 0)]


def _closure(call: Call, out: str) -> Closure | None:
    """A value in place of a shader shines, as in Cycles."""
    kind = call.node.type
    if kind in ("MIX_SHADER", "ADD_SHADER"):
        return None
    if kind in CLOSURES:
        return CLOSURES[kind](call)
    if kind not in NODES:
        return Closure(diffuse=_unknown_color(call))
    value, of = call.evaluation.value(Link(call.index, out))
    return None if of is SHADER else Closure(emission=as_wide(value, of))


def _unknown_color(call: Call) -> np.ndarray:
    for name in ("Base Color", "Color"):
        if name in call.node.inputs:
            return _bounded(call.color(name))
    return np.full(3, 0.8, np.float32)


def _bounded(color: np.ndarray) -> np.ndarray:
    return np.clip(color, 0, 1)


def _normal(call: Call, name: str = "Normal") -> np.ndarray | None:
    return None if call.linked(name) is None else call.vector(name)


def reflectance(ior: np.ndarray) -> np.ndarray:
    """() or (N,) as `ior` is: Fresnel's reflectance at normal incidence."""
    return ((ior - 1) / (ior + 1)) ** 2


def metal_edge(front: np.ndarray, tint: np.ndarray) -> np.ndarray:
    """Value at grazing angles of Schlick's curve that meets F82 = tint x the untinted one.

    front, tint and what is given back: (3,) or (N, 3).
    """
    if tint.ndim == 1 and bool((tint == 1).all()):
        return ONE
    wanted = tint * (front + (1 - front) * F82)
    return np.clip(front + (wanted - front) / F82, 0, 1)


@closure("BSDF_PRINCIPLED")
def principled(call: Call) -> Closure:
    """The layers from the top: alpha, coat, emission, metal, glass, specular over diffuse."""
    base = np.maximum(call.color("Base Color"), 0)
    metallic = np.clip(call.float("Metallic"), 0, 1)
    through = np.clip(call.float("Transmission Weight"), 0, 1)
    ior = np.maximum(call.float("IOR", 1.5), 1e-5)
    rough = np.clip(call.float("Roughness", 0.5), 0, 1)
    made = Closure(roughness=rough, ior=ior, layered=True)
    made.normal = _normal(call)
    under = _coat(call, made)
    alpha = np.clip(call.float("Alpha", 1.0), 0, 1)
    if not call.is_constant("Alpha", 1.0):
        made.transparent = as_wide_float(1 - alpha)
    under = under * alpha[..., None]
    made.coat = None if made.coat is None else made.coat * alpha
    if not call.is_constant("Emission Strength", 0.0):
        strength = call.float("Emission Strength")[..., None]
        made.emission = call.color("Emission Color", (1.0, 1.0, 1.0)) * strength * under
    tint = np.maximum(call.color("Specular Tint", (1.0, 1.0, 1.0)), 0)
    opaque = ((1 - metallic) * (1 - through))[..., None] * under
    made.diffuse = base * opaque
    _principled_reflection(call, made, base, metallic, through, under, tint)
    if not call.is_constant("Transmission Weight", 0.0):
        glass = ((1 - metallic) * through)[..., None] * under
        made.transmission = np.sqrt(_bounded(base)) * glass
    _sheen(call, made, under)
    return made


def as_wide_float(value: np.ndarray) -> np.ndarray:
    """(3,) or (N, 3) float32: a float, () or (N,), three times."""
    return np.repeat(np.asarray(value, np.float32)[..., None], 3, axis=-1)


def _principled_reflection(call, made, base, metallic, through, under, tint) -> None:
    level = np.maximum(call.float("Specular IOR Level", 0.5), 0)
    plain = reflectance(made.ior)
    front = np.clip(plain * (2 * level * (1 - through) + through), 0, 1)
    glossy = (1 - metallic)[..., None] * under
    dielectric = front[..., None] * tint
    # a layer that hardly reflects at the front hardly does so at the edge
    edge = np.clip(front * 50, 0, 1)[..., None]
    if call.is_constant("Metallic", 0.0):
        made.specular, made.edge = dielectric * glossy, edge * glossy
        return
    metal = _bounded(base)
    weight = metallic[..., None] * under
    made.specular = dielectric * glossy + metal * weight
    made.edge = edge * glossy + metal_edge(metal, np.minimum(tint, 1)) * weight


def _coat(call: Call, made: Closure) -> np.ndarray:
    """Set the coat; gives back what of light reaches the layers under it, (3,) or (N, 3).

    The coat's own reflection is left to whoever lights it; its tint is the one at the front.
    """
    if call.is_constant("Coat Weight", 0.0):
        return ONE
    weight = np.clip(call.float("Coat Weight"), 0, 1)
    index = np.maximum(call.float("Coat IOR", 1.5), 1)
    made.coat = weight * reflectance(index) / np.float32(0.04)
    made.coat_roughness = np.clip(call.float("Coat Roughness", 0.03), 0, 1)
    tint = np.maximum(call.color("Coat Tint", (1.0, 1.0, 1.0)), 0)
    return 1 + (tint - 1) * weight[..., None]


def _sheen(call: Call, made: Closure, under: np.ndarray) -> None:
    if call.is_constant("Sheen Weight", 0.0):
        return
    tint = np.maximum(call.color("Sheen Tint", (1.0, 1.0, 1.0)), 0)
    albedo = _sheen_albedo(call, "Sheen Roughness")
    tint = tint * (np.maximum(call.float("Sheen Weight"), 0) * albedo)[..., None]
    left = np.clip(1 - tint.max(axis=-1, keepdims=True), 0, 1)
    for name in ("diffuse", "specular", "edge", "transmission", "emission"):
        value = getattr(made, name)
        setattr(made, name, None if value is None else value * left)
    made.diffuse = made.diffuse + tint * under


@closure("BSDF_DIFFUSE", "SUBSURFACE_SCATTERING", "BSDF_HAIR")
def diffuse(call: Call) -> Closure:
    """What scatters inside and comes out near by counts as diffuse; so do hairs."""
    return Closure(diffuse=np.maximum(call.color("Color"), 0), normal=_normal(call))


@closure("BSDF_HAIR_PRINCIPLED")
def hair(call: Call) -> Closure:
    """Light leaves a strand on its own side or the other, there as evenly as on paper."""
    back, through = scattered(_absorption(call), np.maximum(call.float("IOR", 1.55), 1.01))
    return Closure(diffuse=back, translucent=through, normal=_normal(call))


def _absorption(call: Call) -> np.ndarray:
    kind, radial = call.prop("parametrization", "COLOR"), call.float("Radial Roughness", 0.3)
    if kind == "ABSORPTION":
        return np.maximum(call.vector("Absorption Coefficient", (0.245531, 0.52, 1.365)), 0)
    if kind == "MELANIN":
        tint = absorption(call.color("Tint", (1.0, 1.0, 1.0)), radial)
        return tint + pigments(call.float("Melanin", 0.8), call.float("Melanin Redness", 1.0))
    return absorption(call.color("Color", (0.017513, 0.005763, 0.002059)), radial)


@closure("EEVEE_SPECULAR")
def eevee_specular(call: Call) -> Closure:
    """The surface as EEVEE shows it; Cycles has no such shader."""
    made = Closure(
        diffuse=call.color("Base Color"),
        specular=call.color("Specular", (0.03, 0.03, 0.03)),
        edge=ONE,
        roughness=call.float("Roughness", 0.2),
        normal=_normal(call),
        layered=True,
    )
    if call.linked("Emissive Color") or call.color("Emissive Color", (0, 0, 0)).any():
        made.emission = call.color("Emissive Color", (0, 0, 0))
    return made


@closure("BSDF_GLOSSY", "BSDF_ANISOTROPIC")
def glossy(call: Call) -> Closure:
    """The same colour from all sides."""
    color = np.maximum(call.color("Color"), 0)
    rough = np.clip(call.float("Roughness", 0.5), 0, 1)
    return Closure(specular=color, edge=color, roughness=rough, normal=_normal(call))


@closure("BSDF_TOON")
def toon(call: Call) -> Closure:
    """Steps of light are not followed: as diffuse, or as a rough reflection."""
    if call.prop("component", "DIFFUSE") == "GLOSSY":
        return glossy(call)
    return diffuse(call)


@closure("BSDF_SHEEN", "BSDF_VELVET")
def sheen(call: Call) -> Closure:
    """As much diffuse light as sheen gives on this side."""
    share = _sheen_albedo(call, "Roughness")[..., None]
    return Closure(diffuse=call.color("Color") * share, normal=_normal(call))


def _sheen_albedo(call: Call, name: str) -> np.ndarray:
    rough = np.clip(call.float(name, 0.5), 0, 1)
    return sheen_albedo(
        rough, np.ones((), np.float32) if call.evaluation.points is None else cosine(call)
    )


def depends_on_view(node: Node) -> bool:
    """Whether a closure differs by the side it is seen from beyond what lobes say."""
    if node.type in ("BSDF_SHEEN", "BSDF_VELVET"):
        return True
    weight = node.inputs.get("Sheen Weight")
    return weight is not None and (isinstance(weight, Link) or bool(weight[0].any()))


@closure("BSDF_METALLIC")
def metallic(call: Call) -> Closure:
    """F82 of base colour and edge tint, or a conductor's index and extinction."""
    rough = np.clip(call.float("Roughness", 0.5), 0, 1)
    if call.prop("fresnel_type", "F82") == "PHYSICAL_CONDUCTOR":
        index = np.maximum(call.vector("IOR", (2.757, 2.513, 2.231)), 0)
        absorbed = np.maximum(call.vector("Extinction", (3.867, 3.404, 3.009)), 0)
        front = conductor(index, absorbed, np.float32(1))
        side = conductor(index, absorbed, np.float32(1 / 7))
        edge = np.clip(front + (side - front) / F82, 0, 1)
    else:
        front = _bounded(call.color("Base Color", (0.617, 0.577, 0.54)))
        edge = metal_edge(front, _bounded(call.color("Edge Tint", (0.695, 0.726, 0.77))))
    return Closure(specular=front, edge=edge, roughness=rough, normal=_normal(call))


def conductor(
    index: np.ndarray, absorbed: np.ndarray, cosine: np.ndarray | np.floating
) -> np.ndarray:
    """Unpolarised reflectance of a metal (the approximation for n^2 + k^2 much above 1), float32.

    index, absorbed (n and k) and what is given back: (3,) or (N, 3). cosine: one number for all.
    """
    both = index**2 + absorbed**2
    c2, nc = cosine**2, 2 * index * cosine
    across = (both - nc + c2) / (both + nc + c2)
    along = (both * c2 - nc + 1) / (both * c2 + nc + 1)
    return np.asarray((across + along) / 2, np.float32)


@closure("BSDF_GLASS")
def glass(call: Call) -> Closure:
    """Reflects and refracts by Fresnel."""
    color = np.maximum(call.color("Color", (1.0, 1.0, 1.0)), 0)
    ior = np.maximum(call.float("IOR", 1.5), 1e-5)
    return Closure(
        specular=color * reflectance(ior)[..., None],
        edge=color,
        transmission=color,
        roughness=np.clip(call.float("Roughness"), 0, 1),
        ior=ior,
        normal=_normal(call),
        layered=True,
    )


@closure("BSDF_REFRACTION")
def refraction(call: Call) -> Closure:
    """Refracts everything."""
    return Closure(
        transmission=np.maximum(call.color("Color", (1.0, 1.0, 1.0)), 0),
        roughness=np.clip(call.float("Roughness"), 0, 1),
        ior=np.maximum(call.float("IOR", 1.45), 1e-5),
        normal=_normal(call),
    )


@closure("BSDF_TRANSPARENT", "BSDF_RAY_PORTAL")
def transparent(call: Call) -> Closure:
    """Lets light straight on."""
    color = np.maximum(call.color("Color", (1.0, 1.0, 1.0)), 0)
    return Closure() if _is_zero(color) else Closure(transparent=color)


@closure("BSDF_TRANSLUCENT")
def translucent(call: Call) -> Closure:
    """Diffuse light of the other side."""
    return Closure(translucent=np.maximum(call.color("Color"), 0), normal=_normal(call))


@closure("EMISSION", "BACKGROUND")
def emission(call: Call) -> Closure:
    """Shines with colour x strength."""
    if call.is_constant("Strength", 0.0, default=1.0):
        return Closure()
    default = (0.8, 0.8, 0.8) if call.node.type == "BACKGROUND" else (1.0, 1.0, 1.0)
    color = call.color("Color", default) * call.float("Strength", 1.0)[..., None]
    return Closure() if _is_zero(color) else Closure(emission=color)


@closure("HOLDOUT")
def holdout(call: Call) -> Closure:
    """A hole in the picture."""
    return Closure(holdout=np.ones((), np.float32))


def _is_zero(color: np.ndarray) -> bool:
    return color.ndim == 1 and bool((color == 0).all())

# SPDX-License-Identifier: GPL-3.0-or-later
"""Procedural textures: patterns by formula, and the nodes around the compiled noises."""

from __future__ import annotations

import math

import numpy as np

from ..evaluation import Call
from ..registry import node
from ..values import COLOR, FLOAT, VECTOR, as_wide, divide, dot
from .coordinates import default_coordinates
from .hashing import white
from .mapping import texture_mapping
from .perlin import TYPES, fbm3, noise_texture
from .voronoi import FEATURES, METRICS, voronoi_texture


def place(call: Call) -> np.ndarray:
    """(N, 3) where the texture is looked up; generated coordinates by default."""
    link = call.linked("Vector")
    if link is None:
        at = default_coordinates(call.points, "GENERATED")
    else:
        at = as_wide(*call.evaluation.value(link))
    return np.broadcast_to(texture_mapping(call.props, at), (len(call.points), 3))


def _columns(count: int, *values: np.ndarray) -> np.ndarray:
    """(N, C) float32, contiguous."""
    made = np.empty((count, len(values)), np.float32)
    for i, value in enumerate(values):
        made[:, i] = value
    return made


def _four(call: Call, dimensions: str, scale: np.ndarray) -> tuple[int, np.ndarray]:
    """Number of dimensions and (N, 4) coordinates times scale; unused ones are 0."""
    count = {"1D": 1, "2D": 2, "3D": 3, "4D": 4}.get(call.prop(dimensions, "3D"), 3)
    made = np.zeros((len(call.points), 4), np.float32)
    if count == 1:
        made[:, 0] = call.float("W") * scale
        return count, made
    wide = min(count, 3)
    made[:, :wide] = (place(call) * scale[..., None])[:, :wide]
    if count == 4:
        made[:, 3] = call.float("W") * scale
    return count, made


@node("TEX_NOISE", varies=True, Fac=FLOAT, Color=COLOR)
def noise(call: Call) -> dict[str, np.ndarray]:
    """All types and dimensions. Fac: (N,). Color: (N, 3)."""
    count, at = _four(call, "noise_dimensions", call.float("Scale", 5.0))
    settings = _columns(
        len(at),
        np.clip(call.float("Detail", 2.0), 0, 15),
        np.maximum(call.float("Roughness", 0.5), 0),
        call.float("Lacunarity", 2.0),
        call.float("Offset"),
        call.float("Gain", 1.0),
        call.float("Distortion"),
    )
    kind = TYPES.get(call.prop("noise_type", "FBM"), 0)
    made = np.zeros((len(at), 3), np.float32)
    colored = call.asked("Color")
    noise_texture(kind, call.prop("normalize", True), count, at, settings, colored, made)
    return {"Fac": made[:, 0], "Color": made}


@node(
    "TEX_VORONOI", varies=True, Distance=FLOAT, Color=COLOR, Position=VECTOR, W=FLOAT, Radius=FLOAT
)
def voronoi(call: Call) -> dict[str, np.ndarray]:
    """All features, metrics and dimensions.

    Distance, W, Radius: (N,). Color, and Position in the space of the coordinates: (N, 3).
    """
    scale = call.float("Scale", 5.0)
    count, at = _four(call, "voronoi_dimensions", scale)
    settings = _columns(
        len(at),
        np.clip(call.float("Detail"), 0, 15),
        np.clip(call.float("Roughness", 0.5), 0, 1),
        call.float("Lacunarity", 2.0),
        np.clip(call.float("Smoothness", 1.0) / 2, 0, 0.5),
        call.float("Exponent", 0.5),
        np.clip(call.float("Randomness", 1.0), 0, 1),
    )
    made = np.zeros((len(at), 8), np.float32)
    voronoi_texture(
        count,
        call.prop("older_hash", False),
        FEATURES.get(call.prop("feature", "F1"), 0),
        METRICS.get(call.prop("distance", "EUCLIDEAN"), 0),
        call.prop("normalize", False),
        at,
        settings,
        made,
    )
    found = {"Distance": made[:, 0], "Radius": made[:, 0], "Color": made[:, 1:4]}
    position = divide(made[:, 4:], np.broadcast_to(scale, len(at))[:, None])
    found["W"] = position[:, 0] if count == 1 else position[:, 3]
    found["Position"] = position[:, :3] * (count > 1)
    return found


@node("TEX_WHITE_NOISE", varies=True, Value=FLOAT, Color=COLOR)
def white_noise(call: Call) -> dict[str, np.ndarray]:
    """A number (N,) and a colour (N, 3) of the coordinates' very bits."""
    count, at = _four(call, "noise_dimensions", np.ones((), np.float32))
    value, color = np.empty(len(at), np.float32), np.empty((len(at), 3), np.float32)
    white(count, at, value, color)
    return {"Value": value, "Color": color}


def _grey(value: np.ndarray) -> dict[str, np.ndarray]:
    return {"Fac": value, "Color": np.repeat(value[..., None], 3, axis=-1)}


@node("TEX_CHECKER", varies=True, Color=COLOR, Fac=FLOAT)
def checker(call: Call) -> dict[str, np.ndarray]:
    """Cubes of two colours. Color: (N, 3). Fac: (N,)."""
    at = place(call) * call.float("Scale", 5.0)[..., None]
    cell = np.floor((at + np.float32(1e-6)) * np.float32(0.999999)).astype(np.int64)
    odd = np.abs(cell) % 2
    first = ((odd[:, 0] == odd[:, 1]) == (odd[:, 2] == 1)).astype(np.float32)
    one, two = call.color("Color1"), call.color("Color2", (0.2, 0.2, 0.2))
    return {"Color": np.where(first[:, None] == 1, one, two), "Fac": first}


@node("TEX_GRADIENT", varies=True, Color=COLOR, Fac=FLOAT)
def gradient(call: Call) -> dict[str, np.ndarray]:
    """From 0 to 1 along a line, an angle or a radius. Fac: (N,). Color: (N, 3)."""
    at = place(call)
    x, y = at[:, 0], at[:, 1]
    kind = call.prop("gradient_type", "LINEAR")
    inside = np.maximum(np.float32(0.999999) - np.sqrt(dot(at, at)), 0)
    if kind == "QUADRATIC":
        made = np.maximum(x, 0) ** 2
    elif kind == "EASING":
        t = np.clip(x, 0, 1)
        made = t * t * (3 - 2 * t)
    elif kind == "DIAGONAL":
        made = (x + y) * 0.5
    elif kind == "RADIAL":
        made = np.arctan2(y, x) / (2 * math.pi) + 0.5
    elif kind == "QUADRATIC_SPHERE":
        made = inside**2
    else:
        made = inside if kind == "SPHERICAL" else x
    return _grey(np.clip(made, 0, 1).astype(np.float32))


@node("TEX_WAVE", varies=True, Color=COLOR, Fac=FLOAT)
def wave(call: Call) -> dict[str, np.ndarray]:
    """Bands or rings, bent by noise. Fac: (N,). Color: (N, 3)."""
    at = place(call) * call.float("Scale", 5.0)[..., None]
    at = (at + np.float32(1e-6)) * np.float32(0.999999)
    phase = _bands(call, at) + call.float("Phase Offset")
    if not call.is_constant("Distortion", 0.0):
        settings = _columns(
            len(at),
            np.clip(call.float("Detail", 2.0), 0, 15),
            np.maximum(call.float("Detail Roughness", 0.5), 0),
            np.full((), 2, np.float32),
        )
        bend = np.empty(len(at), np.float32)
        wide = at * call.float("Detail Scale", 1.0)[..., None]
        fbm3(np.ascontiguousarray(wide, np.float32), settings, True, bend)
        phase = phase + call.float("Distortion") * (bend * 2 - 1)
    profile = call.prop("wave_profile", "SIN")
    if profile == "SIN":
        return _grey(0.5 + 0.5 * np.sin(phase - np.float32(math.pi / 2)))
    turns = phase / np.float32(2 * math.pi)
    if profile == "SAW":
        return _grey(turns - np.floor(turns))
    return _grey(np.abs(turns - np.floor(turns + 0.5)) * 2)


def _bands(call: Call, at: np.ndarray) -> np.ndarray:
    if call.prop("wave_type", "BANDS") == "BANDS":
        axis = call.prop("bands_direction", "X")
        if axis == "DIAGONAL":
            return at.sum(axis=1) * 10
        return at[:, {"X": 0, "Y": 1, "Z": 2}.get(axis, 0)] * 20
    axis = call.prop("rings_direction", "X")
    flat = at * np.array([axis != "X", axis != "Y", axis != "Z"], np.float32)
    return np.sqrt(dot(flat, flat)) * 20


@node("TEX_BRICK", varies=True, Color=COLOR, Fac=FLOAT)
def brick(call: Call) -> dict[str, np.ndarray]:
    """Rows of bricks between mortar. Color: (N, 3). Fac: (N,)."""
    at = place(call) * call.float("Scale", 5.0)[..., None]
    width, height = call.float("Brick Width", 0.5), call.float("Row Height", 0.25)
    row = np.floor(divide(at[:, 1], height)).astype(np.int64)
    shift, squash = call.prop("offset_frequency", 2), call.prop("squash_frequency", 2)
    offset: np.ndarray | float = 0.0
    if shift and squash:
        width = width * np.where(np.fmod(row, int(squash)) != 0, 1, call.prop("squash", 1.0))
        offset = np.where(np.fmod(row, int(shift)) != 0, 0, width * call.prop("offset", 0.5))
    number = np.floor(divide(at[:, 0] + offset, width)).astype(np.int64)
    x, y = at[:, 0] + offset - width * number, at[:, 1] - height * row
    tint = brick_noise((row << 16) + (number & 0xFFFF)) + call.float("Bias")
    tint = np.clip(tint, 0, 1)[:, None]
    edge = np.minimum(np.minimum(x, y), np.minimum(width - x, height - y))
    mortar = _mortar(edge, call.float("Mortar Size", 0.02), call.float("Mortar Smooth", 0.1))
    stone = call.color("Color1") * (1 - tint) + call.color("Color2", (0.2, 0.2, 0.2)) * tint
    share = mortar[:, None]
    return {"Color": stone * (1 - share) + call.color("Mortar", (0, 0, 0)) * share, "Fac": mortar}


def brick_noise(number: np.ndarray) -> np.ndarray:
    """(N,) float32: a number in [0, 1] for each brick of `number` (N,) int64: integer noise on 31
    bits."""
    mask = np.uint64(0x7FFFFFFF)
    n = number.astype(np.uint64) & np.uint64(0xFFFFFFFF)
    n = (n + np.uint64(1013)) & mask
    n = (n >> np.uint64(13)) ^ n
    full = np.uint64(0xFFFFFFFF)
    inner = (((n * n) & full) * np.uint64(60493) + np.uint64(19990303)) & full
    made = (n * inner + np.uint64(1376312589)) & mask
    return (made.astype(np.float64) / 2147483648.0).astype(np.float32)


def _mortar(edge: np.ndarray, size: np.ndarray, smooth: np.ndarray) -> np.ndarray:
    inside = 1 - divide(edge, size)
    t = np.where(smooth == 0, 1, np.clip(divide(inside, smooth), 0, 1))
    return np.where(edge >= size, 0, t * t * (3 - 2 * t)).astype(np.float32)


_MAGIC = (
    ("y", -1, np.cos, (1, -1, 1)),
    ("x", 1, np.cos, (1, -1, -1)),
    ("z", 1, np.sin, (-1, -1, -1)),
    ("x", -1, np.cos, (-1, 1, -1)),
    ("y", -1, np.sin, (-1, 1, 1)),
    ("y", -1, np.cos, (-1, 1, 1)),
    ("x", 1, np.cos, (1, 1, 1)),
    ("z", 1, np.sin, (1, 1, -1)),
    ("x", -1, np.cos, (-1, -1, 1)),
    ("y", -1, np.sin, (1, -1, 1)),
)
"""What each further depth replaces: sign x function of a signed sum of the three."""


@node("TEX_MAGIC", varies=True, Color=COLOR, Fac=FLOAT)
def magic(call: Call) -> dict[str, np.ndarray]:
    """Sines of sines. Color: (N, 3). Fac: (N,)."""
    at = np.fmod(place(call) * call.float("Scale", 5.0)[..., None], np.float32(2 * math.pi))
    x, y, z = at.T
    now = {
        "x": np.sin((x + y + z) * 5),
        "y": np.cos((-x + y - z) * 5),
        "z": -np.cos((-x - y + z) * 5),
    }
    bend = call.float("Distortion", 1.0)
    depth = int(call.prop("turbulence_depth", 2))
    if depth > 0:
        now = {axis: value * bend for axis, value in now.items()}
    for axis, sign, function, (sx, sy, sz) in _MAGIC[:depth]:
        now[axis] = sign * function(sx * now["x"] + sy * now["y"] + sz * now["z"]) * bend
    scale = np.where(bend != 0, bend * 2, 1)
    made = 0.5 - np.stack([now["x"], now["y"], now["z"]], axis=1) / scale[..., None]
    return {"Color": made, "Fac": made.mean(axis=1)}

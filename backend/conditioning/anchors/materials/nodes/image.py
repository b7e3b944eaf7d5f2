# SPDX-License-Identifier: GPL-3.0-or-later
"""Image textures: projections, tiles and the footprint that they are filtered by."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Mapping

import numpy as np

from ..evaluation import Call, Evaluation
from ..program import Node
from ..pyramid import TexturePyramid
from ..registry import node
from ..values import COLOR, FLOAT, as_wide, dot
from .coordinates import default_coordinates, object_normal
from .footprint import layer_footprint
from .mapping import texture_mapping

PINK = np.array([1, 0, 1], np.float32)
"""What Cycles shows where a picture is missing."""
STEPS = np.array([-3, -1, 1, 3], np.float32) / 8
"""Where along a pixel that is longer than wide, in its lengths."""


def numbers(of: Node, textures: Container[int]) -> dict[int, int]:
    """UDIM tile (0: all of them) -> number of the texture; empty where it is missing.

    textures: the numbers that there are.
    """
    tiles = of.props.get("tiles")
    found = {0: of.props.get("texture", -1)}
    if isinstance(tiles, dict) and tiles:
        found = {int(tile): number for tile, number in tiles.items()}
    return {
        tile: number
        for tile, number in found.items()
        if isinstance(number, int) and number in textures
    }


def alpha_is_one(of: Node, textures: Mapping[int, TexturePyramid]) -> bool:
    """Whether the node's alpha is known without looking."""
    found = numbers(of, textures)
    if of.props.get("extension") == "CLIP" or (found and 0 not in found):
        return False
    return not any(textures[number].has_alpha for number in found.values())


@node("TEX_IMAGE", varies=True, Color=COLOR, Alpha=FLOAT)
def image(call: Call) -> dict[str, np.ndarray]:
    """The picture, filtered over what a point covers of it. Color: (N, 3), Alpha: (N,); (3,) and ()
    where it is missing."""
    found = numbers(call.node, call.textures)
    if not found:
        return {"Color": PINK, "Alpha": np.ones((), np.float32)}
    place = coordinates(call.evaluation, call)
    sampler = _lookup(call, found, place)
    made = sampler(place, np.arange(len(place)))
    if call.points.whole:
        slanted, away = call.evaluation.along()
        if len(slanted):
            made[slanted] = _mean(place[slanted], coordinates(away, call), sampler, slanted)
    return {"Color": made[:, :3], "Alpha": made[:, 3]}


Sampler = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(M, 4) of the picture for M coordinates (M, 3) of the points with numbers (M,)."""


def _lookup(call: Call, found: dict[int, int], place: np.ndarray) -> Sampler:
    """How the picture is looked up near coordinates (N, 3)."""
    projection = call.prop("projection", "FLAT")
    if projection == "BOX":
        around, normal = _around(call), object_normal(call.points)
        return lambda at, which: _box(call, found, at, [a[which] for a in around], normal[which])
    if projection in _ROUND:
        flat = _ROUND[projection]
        width = _width(flat(place), [flat(a) for a in _around(call)], wrap=True)
        return lambda at, which: _pick(call, found, flat(at), width[which])
    width = _flat_width(call, place[:, :2])
    return lambda at, which: _pick(call, found, at[:, :2], width[which])


def _mean(place: np.ndarray, away: np.ndarray, sampler: Sampler, which: np.ndarray) -> np.ndarray:
    """(K, 4) over the length of pixels from coordinates (K, 3) towards others."""
    return np.mean([sampler(place + step * (away - place), which) for step in STEPS], axis=0)


@node("TEX_ENVIRONMENT", varies=True, Color=COLOR)
def environment(call: Call) -> np.ndarray:
    """(N, 3): a picture of directions on a surface, unfiltered but for its own texels; (3,) where
    it is missing."""
    found = numbers(call.node, call.textures)
    if not found:
        return PINK
    at = coordinates(call.evaluation, call)
    length = np.sqrt(np.maximum(dot(at, at), 1e-20))
    u = 0.5 - np.arctan2(at[:, 1], at[:, 0]) / (2 * math.pi)
    v = np.arcsin(np.clip(at[:, 2] / length, -1, 1)) / math.pi + 0.5
    uv = np.stack([u, v], axis=1)
    return _pick(call, found, uv, np.zeros(len(uv), np.float32))[:, :3]


def coordinates(evaluation: Evaluation, call: Call) -> np.ndarray:
    """(N, 3) where the picture is looked up, in the space of its projection."""
    link = call.linked("Vector")
    if link is None:
        place = default_coordinates(evaluation.standing(), "UV")
    else:
        place = as_wide(*evaluation.value(link))
    place = texture_mapping(call.props, place)
    return np.broadcast_to(place, (len(evaluation.standing()), 3))


def _flat_width(call: Call, uv: np.ndarray) -> np.ndarray:
    """(N,) as `_width`; without asking aside where the coordinates are a UV layer's, mapped."""
    known = layer_footprint(call)
    if known is None:
        return _width(uv, [a[:, :2] for a in _around(call)])
    layer, scale = known
    return call.points.uv_width(layer) * np.float32(scale)


def _around(call: Call) -> list[np.ndarray]:
    """The coordinates one width aside in two directions."""
    return [coordinates(call.evaluation.moved(axis)[0], call) for axis in (0, 1)]


def _width(uv: np.ndarray, around: list[np.ndarray], wrap: bool = False) -> np.ndarray:
    """(N,) side of a square as large as the footprint, in texture coordinates.

    wrap: u comes round at 1.
    """
    first, second = (a - uv for a in around)
    if wrap:
        first[:, 0] -= np.round(first[:, 0])
        second[:, 0] -= np.round(second[:, 0])
    return np.sqrt(np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]))


def _pick(call: Call, found: dict[int, int], uv: np.ndarray, width: np.ndarray) -> np.ndarray:
    """(N, 4) of the right tile; what no tile covers is pink."""
    if 0 in found:
        return _filtered(call, found[0], uv, width, call.prop("extension", "REPEAT"))
    made = np.tile(np.append(PINK, np.float32(1)), (len(uv), 1))
    column, row = np.floor(uv[:, 0]), np.floor(uv[:, 1])
    tile = np.where((column >= 0) & (column < 10) & (row >= 0), 1001 + column + 10 * row, 0)
    for name, number in found.items():
        inside = np.flatnonzero(tile == name)
        if len(inside):
            local = uv[inside] - np.stack([column[inside], row[inside]], axis=1)
            made[inside] = _filtered(call, number, local, width[inside], "EXTEND")
    return made


def _filtered(
    call: Call, number: int, uv: np.ndarray, width: np.ndarray, extension: str
) -> np.ndarray:
    closest = call.prop("interpolation", "Linear") == "Closest"
    straight = not call.prop("premultiply", not call.asked("Alpha"))
    made = call.textures[number].lookup(uv, width, extension, closest, straight)
    if call.props.get("alpha_mode") == "NONE":
        made[:, 3] = 1
    return made


def _box(
    call: Call,
    found: dict[int, int],
    place: np.ndarray,
    around: list[np.ndarray],
    normal: np.ndarray,
) -> np.ndarray:
    """Three pictures along the axes, mixed by the side that the surface faces."""
    weights = box_weights(np.abs(normal), float(call.prop("projection_blend", 0.0)))
    made = np.zeros((len(place), 4), np.float32)
    for axis, (across, up, turned) in enumerate(((1, 2, -1), (0, 2, 1), (1, 0, 1))):
        chosen = np.flatnonzero(weights[:, axis] > 0)
        if not len(chosen):
            continue
        sign = np.where(normal[chosen, axis] * turned > 0, -1, 1).astype(np.float32)

        def flat(at, chosen=chosen, across=across, up=up, sign=sign):
            u = at[chosen, across] * sign + (sign < 0)
            return np.stack([u, at[chosen, up]], axis=1)

        uv = flat(place)
        width = _width(uv, [flat(a) for a in around])
        made[chosen] += weights[chosen, axis, None] * _pick(call, found, uv, width)
    return made


def box_weights(side: np.ndarray, blend: float) -> np.ndarray:
    """(N, 3) shares of the three axes at normals whose absolute values are `side`.

    One axis where it is far ahead, two or three in the bands of width `blend` between them.
    """
    share = side / np.maximum(side.sum(axis=1, keepdims=True), 1e-12)
    limit = 0.5 * (1 + blend)
    made = np.zeros_like(share)
    x, y, z = share.T
    single = np.stack(
        [
            (x > limit * (x + y)) & (x > limit * (x + z)),
            (y > limit * (x + y)) & (y > limit * (y + z)),
            (z > limit * (x + z)) & (z > limit * (y + z)),
        ],
        axis=1,
    )
    made[single] = 1
    rest = ~single.any(axis=1)
    if blend <= 0:
        made[rest, 0] = 1
        return made
    for first, second, third in ((0, 1, 2), (1, 2, 0), (0, 2, 1)):
        a, b, c = share[:, first], share[:, second], share[:, third]
        pair = rest & (c < (1 - limit) * (a + b))
        part = np.clip((a / np.maximum(a + b, 1e-12) - 0.5 * (1 - blend)) / blend, 0, 1)
        made[pair, first], made[pair, second] = part[pair], 1 - part[pair]
        rest &= ~pair
    three = ((2 - limit) * share + (limit - 1)) / (2 * limit - 1)
    made[rest] = three[rest]
    return made.astype(np.float32)


def sphere(place: np.ndarray) -> np.ndarray:
    """(N, 2) longitude and latitude of points (N, 3) of the unit cube, seen from its centre."""
    x, y, z = ((place - 0.5) * 2).T
    length = np.sqrt(x * x + y * y + z * z)
    u = np.where((x == 0) & (y == 0), 0, (1 - np.arctan2(x, y) / math.pi) / 2)
    v = 1 - np.arccos(np.clip(z / np.maximum(length, 1e-20), -1, 1)) / math.pi
    return np.where(length[:, None] > 0, np.stack([u, v], axis=1), 0).astype(np.float32)


def tube(place: np.ndarray) -> np.ndarray:
    """(N, 2) angle around the vertical axis of the unit cube, and height, of points (N, 3)."""
    x, y, z = ((place - 0.5) * 2).T
    u = (1 - np.arctan2(x, y) / math.pi) / 2
    inside = np.sqrt(x * x + y * y) > 0
    return np.where(inside[:, None], np.stack([u, (z + 1) / 2], axis=1), 0).astype(np.float32)


_ROUND = {"SPHERE": sphere, "TUBE": tube}

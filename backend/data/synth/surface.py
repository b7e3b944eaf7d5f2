# SPDX-License-Identifier: GPL-3.0-or-later
"""What rays hit: position, normal, texture, relief, baked light."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from .fields import SIZE
from .lightmap import cube_coordinates, sample
from .prepared import Prepared
from .scene import CYLINDER, ELLIPSOID, METRIC, Scene
from .sky import vector
from .textures import LEVELS


@dataclass(eq=False)
class Surface:
    """What N rays hit. All (N, ...) tensors."""

    point: torch.Tensor
    normal: torch.Tensor  # bent by the texture's slopes
    face: torch.Tensor  # of the plain shape
    albedo: torch.Tensor
    gloss: torch.Tensor
    shine: torch.Tensor
    emission: torch.Tensor
    around: torch.Tensor  # baked light: sky and bounces
    lamps: torch.Tensor  # baked light of lamps


def surface_at(
    scene: Scene, prepared: Prepared, origin: torch.Tensor, rays: torch.Tensor,
    view: torch.Tensor, t: torch.Tensor, prim: torch.Tensor, footprint: float,
) -> Surface:  # fmt: skip
    """What N rays hit: at distance t (N,) along (N, 3) `rays` from `origin`, the primitive (N,).

    view: (N, 3) unit directions. footprint: radians a pixel is wide. prim: -2 is the ground.
    """
    point = origin + rays * t[:, None]
    solid, ground = prim.clamp_min(0), prim == -2
    local, normal, across, along, uv_metres, uv_fit = _local(prepared, point, solid)
    material = prepared.material[solid]
    around, lamps = _baked(prepared, solid, local)
    if prepared.terrain is not None:
        rows = torch.nonzero(ground).view(-1)
        field, here = prepared.terrain, point[rows]
        normal[rows], material[rows] = field.surface(here)
        uv_metres[rows] = field.uv(here, normal[rows])
        across[rows], along[rows] = across.new_tensor([1.0, 0, 0]), across.new_tensor([0, 1.0, 0])
        around[rows], lamps[rows] = _open_air(scene, normal[rows], field.openness(here)), 0.0
    look = prepared.looks[material]
    repeat, metric = look[:, 0], look[:, 1] == METRIC
    offset = torch.where(ground[:, None], 0.0, prepared.offset[solid])
    uv = torch.where(metric[:, None], uv_metres / repeat[:, None] + offset, uv_fit)
    facing = -(view * normal).sum(1)
    extent = torch.where(metric, repeat, 2 * prepared.half[solid].amax(1))
    width = t * footprint / facing.clamp_min(0.08).sqrt() / extent * SIZE
    texel = _lookup(prepared, look[:, 6].long(), uv, width.clamp_min(1e-6).log2())
    if prepared.terrain is not None:  # ground shows no pattern from afar: blend in a coarser one
        coarse = _lookup(
            prepared, look[rows, 6].long(), uv[rows] * 0.137, (width[rows] * 0.137).log2()
        )
        texel[rows] = texel[rows] * 0.5 + coarse * 0.5
    slope = texel[:, 3:5] * (look[:, 5:6] * 1.5)
    bent = F.normalize(normal - across * slope[:, :1] - along * slope[:, 1:2], dim=1)
    return Surface(
        point, bent, normal, texel[:, :3] * prepared.tint[material], look[:, 2] * texel[:, 5],
        look[:, 3], look[:, 4], around, lamps,
    )  # fmt: skip


def _baked(
    prepared: Prepared, prim: torch.Tensor, local: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Light (N, 3) from around and of lamps, at unit-cube points of primitives."""
    light = prepared.light
    assert light is not None
    geometry = prepared.geometry
    cube = cube_coordinates(geometry.shape[prim], geometry.taper[prim], local)
    around = sample(light.around, *light.coarse.texels(prim, cube))
    if not bool(light.lamps.any()):
        return around, torch.zeros_like(around)
    return around, sample(light.lamps, *light.fine.texels(prim, cube))


def _open_air(scene: Scene, normal: torch.Tensor, openness: torch.Tensor) -> torch.Tensor:
    """Light (N, 3) of sky and surrounding ground on terrain."""
    sky = scene.sky
    up = vector(sky.zenith, normal) * 0.6 + vector(sky.horizon, normal) * 0.4
    down = vector(sky.ground, normal) * (0.3 + 0.5 * max(0.0, sky.sun[2]))
    share = (normal[:, 2:3] * 0.5 + 0.5) * openness[:, None]
    return (down * 0.5 + (up - down * 0.5) * share) * scene.ambient


def _local(prepared: Prepared, point: torch.Tensor, prim: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Of points on primitives: the point in the unit cube, the normal, the directions of u and v,
    uv in metres and uv over the face."""
    affine = prepared.geometry.inverse[prim]
    p = torch.baddbmm(affine[:, :, 3:], affine[:, :, :3], point[:, :, None])[:, :, 0]
    half, turn = prepared.half[prim], prepared.rotation[prim]
    shape = prepared.geometry.shape[prim]
    axis = p.abs().argmax(1)
    side = torch.sign(p.gather(1, axis[:, None]))[:, 0]
    u_axis = torch.where(axis == 0, 1, 0)
    v_axis = torch.where(axis == 2, 1, 2)
    pu, pv = p.gather(1, u_axis[:, None])[:, 0], p.gather(1, v_axis[:, None])[:, 0]
    hu, hv = half.gather(1, u_axis[:, None])[:, 0], half.gather(1, v_axis[:, None])[:, 0]
    mirror = torch.where(axis == 1, -side, side)  # so that writing reads from left to right
    n_local = F.one_hot(axis, 3) * side[:, None]
    uv = torch.stack([pu * hu * mirror, -pv * hv], 1)
    fit = torch.stack([pu * mirror, -pv], 1) * 0.5 + 0.5
    u_local, v_local = F.one_hot(u_axis, 3) * mirror[:, None], -F.one_hot(v_axis, 3).to(p.dtype)

    ball = shape == ELLIPSOID
    around = torch.atan2(p[:, 1], p[:, 0])
    if bool(ball.any()):
        up = torch.asin(p[:, 2].clamp(-1, 1))
        n_local = torch.where(ball[:, None], p / half, n_local)
        fit_ball = torch.stack([around / (2 * math.pi) + 0.5, 0.5 - up / math.pi], 1)
        fit = torch.where(ball[:, None], fit_ball, fit)
    tube = (shape == CYLINDER) & (p[:, 2].abs() < 0.9999)
    if bool(tube.any()):
        taper = prepared.geometry.taper[prim]
        lean = (1 - taper) / 2 * half[:, 0] / half[:, 2]
        ring = F.normalize(p[:, :2], dim=1)
        n_tube = torch.cat([ring, lean[:, None]], 1)
        n_local = torch.where(tube[:, None], n_tube, n_local)
        uv = torch.where(
            tube[:, None], torch.stack([around * half[:, 0], -p[:, 2] * half[:, 2]], 1), uv
        )
        fit = torch.where(
            tube[:, None], torch.stack([around / (2 * math.pi) + 0.5, 0.5 - p[:, 2] / 2], 1), fit
        )
    cap = (shape == CYLINDER) & ~tube
    n_cap = torch.stack([torch.zeros_like(side), torch.zeros_like(side), torch.sign(p[:, 2])], 1)
    n_local = torch.where(cap[:, None], n_cap, n_local)
    curved = ball | tube
    tangent = torch.stack([-p[:, 1], p[:, 0], torch.zeros_like(side)], 1)
    u_local = torch.where(curved[:, None], F.normalize(tangent, dim=1), u_local)
    normal = F.normalize(torch.bmm(turn, n_local[:, :, None].to(p.dtype))[:, :, 0], dim=1)
    across = torch.bmm(turn, u_local[:, :, None].to(p.dtype))[:, :, 0]
    along = torch.bmm(turn, v_local[:, :, None])[:, :, 0]
    return p, normal, across, along, uv, fit


def _lookup(
    prepared: Prepared, texture: torch.Tensor, uv: torch.Tensor, lod: torch.Tensor
) -> torch.Tensor:
    """(N, CHANNELS) trilinear samples of tiled textures; lod 0 = full size."""
    lod = lod.clamp(0, LEVELS - 1.001)
    level = lod.long()
    blend = (lod - level)[:, None]
    fine = _bilinear(prepared, texture, uv, level)
    coarse = _bilinear(prepared, texture, uv, level + 1)
    return fine + (coarse - fine) * blend


def _bilinear(
    prepared: Prepared, texture: torch.Tensor, uv: torch.Tensor, level: torch.Tensor
) -> torch.Tensor:
    size = torch.bitwise_right_shift(torch.full_like(level, SIZE), level)
    base = texture * int(prepared.levels[-1]) + prepared.levels[level]
    x = uv * size[:, None] - 0.5
    low = torch.floor(x)
    f = x - low
    i = low.long()
    mask = size - 1
    x0, x1 = i[:, 0] & mask, (i[:, 0] + 1) & mask
    y0, y1 = base + (i[:, 1] & mask) * size, base + ((i[:, 1] + 1) & mask) * size
    table = prepared.texels
    fx, fy = f[:, :1], f[:, 1:]
    top = torch.lerp(table[y0 + x0], table[y0 + x1], fx)
    bottom = torch.lerp(table[y1 + x0], table[y1 + x1], fx)
    return torch.lerp(top, bottom, fy)

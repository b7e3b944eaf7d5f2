# SPDX-License-Identifier: GPL-3.0-or-later
"""Shading of traced rays: textures, sun, lamps, sky, highlights, fog; antialiased edges."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from ...shared.camera import Camera
from .lightmap import Lightmap, bake, cube_coordinates, sample
from .scene import CYLINDER, ELLIPSOID, METRIC, Scene
from .terrain import TerrainField
from .textures import LEVELS, SIZE
from .trace import Geometry, nearest, sun_visibility

_TILE = 8


@dataclass(eq=False)
class Prepared:
    """A scene's tensors on one device."""

    geometry: Geometry
    rotation: torch.Tensor  # (P, 3, 3)
    half: torch.Tensor  # (P, 3)
    material: torch.Tensor  # (P,)
    offset: torch.Tensor  # (P, 2)
    looks: torch.Tensor  # (M, 8) repeat, mapping, gloss, shine, emission, bump, texture, 0
    tint: torch.Tensor  # (M, 3)
    texels: torch.Tensor  # (T * L, CHANNELS)
    levels: torch.Tensor  # (LEVELS,) first texel of each mip level
    terrain: TerrainField | None
    center: torch.Tensor  # (P, 3)
    mean_color: torch.Tensor  # (P, 3) albedo seen from afar
    glow: torch.Tensor  # (P,) emission
    light: Lightmap | None = None


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


def render_view(
    scene: Scene, camera: Camera, device: torch.device | str = "cpu", antialias: bool = True
) -> tuple[torch.Tensor, torch.Tensor]:
    """One picture and its depth.

    Returns rgb (H, W, 3) float32 sRGB in [0, 1] and z-depth (H, W) float32 in metres of the
    surface at each pixel's centre, +inf = sky. Edges are antialiased by 4 more rays a pixel.
    """
    prepared = prepare(scene, device)
    with torch.inference_mode():
        linear, depth = _render(scene, prepared, camera, torch.device(device), antialias)
        return tone(linear * scene.exposure), depth


def linear_view(scene: Scene, camera: Camera) -> torch.Tensor:
    """(H * W, 3) linear radiance without exposure or antialiasing, on the CPU."""
    with torch.inference_mode():
        image, _ = _render(scene, prepare(scene, "cpu"), camera, torch.device("cpu"), False)
    return image.view(-1, 3)


def tone(linear: torch.Tensor) -> torch.Tensor:
    """Linear light to sRGB in [0, 1] with a soft shoulder above 0.8."""
    over = (linear - 0.8).clamp_min(0)
    x = torch.minimum(linear, torch.full_like(linear, 0.8)) + 0.2 * (1 - torch.exp(-over / 0.2))
    x = x.clamp(0, 1)
    return torch.where(x <= 0.0031308, x * 12.92, 1.055 * x.clamp_min(1e-6) ** (1 / 2.4) - 0.055)


def prepare(scene: Scene, device: torch.device | str) -> Prepared:
    """The scene's tensors on `device`, made once and kept with the scene."""
    key = f"prepared {device}"
    if key not in scene.cache:

        def put(a: np.ndarray) -> torch.Tensor:
            return torch.tensor(np.asarray(a), dtype=torch.float32, device=device)

        looks = [
            (m.repeat, m.mapping, m.gloss, m.shine, m.emission, m.bump, m.texture, 0)
            for m in scene.materials
        ]
        sizes = [(SIZE >> level) ** 2 for level in range(LEVELS)]
        texels = scene.textures.pyramid()
        means = texels[[m.texture for m in scene.materials], -1, :3]
        means = means * np.array([m.tint for m in scene.materials])
        emission = np.array([m.emission for m in scene.materials])
        prepared = Prepared(
            Geometry.of(scene, device), put(scene.rotation), put(scene.half),
            torch.tensor(scene.material, device=device), put(scene.offset), put(looks),
            put([m.tint for m in scene.materials]), put(texels.reshape(-1, texels.shape[2])),
            torch.tensor(np.cumsum([0, *sizes]), device=device),
            TerrainField.of(scene, device) if scene.terrain is not None else None,
            put(scene.center), put(means[scene.material]), put(emission[scene.material]),
        )  # fmt: skip
        with torch.inference_mode():
            prepared.light = bake(scene, prepared)
        scene.cache[key] = prepared
    return scene.cache[key]


def _render(
    scene: Scene, prepared: Prepared, camera: Camera, device: torch.device, antialias: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    height, width = camera.height, camera.width
    order = _tile_order(height, width).to(device)
    rays = torch.from_numpy(camera.rays()).to(device).view(-1, 3)[order]
    origin = torch.tensor(camera.position, dtype=torch.float32, device=device)
    footprint = 1.0 / float(camera.K[0, 0])
    t, prim = trace(prepared, origin, rays)
    color = shade(scene, prepared, origin, rays, t, prim, footprint)
    image = torch.empty((height * width, 3), device=device)
    depth = torch.empty(height * width, device=device)
    label = torch.empty(height * width, dtype=torch.int64, device=device)
    image[order], depth[order], label[order] = color, t, prim
    if antialias:
        edge = _edges(depth.view(height, width), label.view(height, width)).view(-1)[order]
        picked = order[edge]
        if len(picked):
            image[picked] = _supersample(
                scene, prepared, camera, origin, picked, image[picked], footprint
            )
    return image.view(height, width, 3), depth.view(height, width)


def trace(
    prepared: Prepared, origin: torch.Tensor, rays: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Nearest hit of N rays: parameter (N,), +inf = sky; primitive (N,), -1 sky, -2 terrain."""
    t, prim = nearest(prepared.geometry, origin, rays)
    if prepared.terrain is None:
        return t, prim
    ground = prepared.terrain.march(origin.expand_as(rays), rays, t)
    return torch.minimum(t, ground), torch.where(ground < t, -2, prim)


def _tile_order(height: int, width: int) -> torch.Tensor:
    """Pixel numbers ordered by tile, so that neighbouring rays share a group."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    wide = 2 * _TILE
    key = ((y // _TILE) * (width // wide + 1) + x // wide) * (_TILE * wide)
    return torch.argsort((key + (y % _TILE) * wide + x % wide).view(-1), stable=True)


def _edges(depth: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """(H, W) bool: pixels where a neighbour shows another primitive or a bend in depth."""
    edge = torch.zeros_like(label, dtype=torch.bool)
    inverse = 1 / depth
    for axis in (0, 1):
        n = label.shape[axis]
        differ = label.narrow(axis, 0, n - 1) != label.narrow(axis, 1, n - 1)
        edge.narrow(axis, 0, n - 1).logical_or_(differ)
        edge.narrow(axis, 1, n - 1).logical_or_(differ)
        if n > 2:  # inverse depth is linear on a plane
            middle = inverse.narrow(axis, 1, n - 2)
            bend = inverse.narrow(axis, 0, n - 2) + inverse.narrow(axis, 2, n - 2) - 2 * middle
            edge.narrow(axis, 1, n - 2).logical_or_(bend.abs() > 0.01 * middle)
    return edge


def _supersample(
    scene: Scene, prepared: Prepared, camera: Camera, origin: torch.Tensor, picked: torch.Tensor,
    center: torch.Tensor, footprint: float,
) -> torch.Tensor:  # fmt: skip
    """Mean colour of four rays on a rotated grid in each picked pixel, tone-mapped per ray."""
    x = (picked % camera.width).float()
    y = (picked // camera.width).float()
    offsets = ((0.375, 0.125), (0.875, 0.375), (0.625, 0.875), (0.125, 0.625))
    k = camera.K
    turn = torch.tensor(camera.c2w[:3, :3], dtype=torch.float32, device=picked.device)
    rays = [
        torch.stack(
            [(x + a - k[0, 2]) / k[0, 0], (y + b - k[1, 2]) / k[1, 1], torch.ones_like(x)], 1
        )
        for a, b in offsets
    ]
    directions = torch.stack(rays, 1).view(-1, 3) @ turn.T  # the four of a pixel side by side
    t, prim = trace(prepared, origin, directions)
    color = shade(scene, prepared, origin, directions, t, prim, footprint)
    bright = 1.0 / scene.exposure  # bright lamps would otherwise bleed jaggies into edges
    return color.clamp_max(bright).view(-1, 4, 3).mean(1)


def shade(
    scene: Scene, prepared: Prepared, origin: torch.Tensor, rays: torch.Tensor, t: torch.Tensor,
    prim: torch.Tensor, footprint: float,
) -> torch.Tensor:  # fmt: skip
    """Linear radiance (N, 3) along rays (N, 3) that hit at t (N,)."""
    length = rays.norm(dim=1)
    view = rays / length[:, None]
    color = sky_color(scene, prepared, view)
    hit = torch.nonzero(torch.isfinite(t)).view(-1)
    if len(hit):
        surface = _surface(
            scene, prepared, origin, rays[hit], view[hit], t[hit], prim[hit], footprint
        )
        lit = _light(scene, prepared, surface, view[hit])
        color[hit] = lit.to(color.dtype)
    if scene.fog > 0:
        far = torch.where(torch.isfinite(t), t * length, torch.full_like(t, 60 / scene.fog))
        haze = 1 - torch.exp(-(scene.fog * far).clamp_max(2.2))
        fog = torch.tensor(scene.fog_color, dtype=torch.float32, device=t.device)
        color = color + (fog - color) * haze[:, None]
    return color


def sky_color(
    scene: Scene, prepared: Prepared, view: torch.Tensor, sun: bool = True
) -> torch.Tensor:
    """Radiance (N, 3) of the sky along unit directions (N, 3), with or without the sun's disc."""
    sky, device = scene.sky, view.device

    def c(v: tuple[float, float, float]) -> torch.Tensor:
        return torch.tensor(v, dtype=torch.float32, device=device)

    up = view[:, 2:3]
    blend = up.clamp_min(0) ** 0.5
    color = c(sky.horizon) * (1 - blend) + c(sky.zenith) * blend
    color = torch.where(
        up < 0, c(sky.horizon) + (c(sky.ground) - c(sky.horizon)) * (-up * 6).clamp(0, 1), color
    )
    plane = view[:, :2] / (up + 0.08).clamp_min(0.03)
    color = color + _clouds(scene, plane, up)
    if not sun:
        return color
    toward = (view @ c(sky.sun)).clamp(-1, 1)
    glow = 0.25 * torch.exp((toward - 1) * 40) + 6.0 * torch.sigmoid(
        (toward - math.cos(sky.sun_radius + 0.01)) * 8e3
    )
    return color + c(sky.sun_color) * glow[:, None] * (0.15 if sky.clouds > 0.8 else 1.0)


def _clouds(scene: Scene, plane: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """Added light of clouds drawn on a plane overhead; from a noise image, tiled."""
    key = f"clouds {plane.device}"
    if key not in scene.cache:
        from .textures import noise

        rng = np.random.default_rng(scene.sky.cloud_seed)
        scene.cache[key] = torch.tensor(
            noise(rng, 1, 100, 1.35), dtype=torch.float32, device=plane.device
        )
    field = scene.cache[key]
    uv = (plane * 0.07) % 1 * 2 - 1
    value = F.grid_sample(
        field[None, None],
        uv[None, None],
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )[0, 0, 0]
    cover = ((value - (0.75 - 0.45 * scene.sky.clouds)) * 5).clamp(0, 1)
    fade = ((up[:, 0] - 0.03) * 6).clamp(0, 1)
    white = torch.tensor(scene.sky.horizon, dtype=torch.float32, device=plane.device) * 0.35 + 0.25
    return (cover * fade)[:, None] * white


def _surface(
    scene: Scene, prepared: Prepared, origin: torch.Tensor, rays: torch.Tensor,
    view: torch.Tensor, t: torch.Tensor, prim: torch.Tensor, footprint: float,
) -> Surface:  # fmt: skip
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
    geometry = prepared.geometry
    cube = cube_coordinates(geometry.shape[prim], geometry.taper[prim], local)
    around = sample(light.around, *light.coarse.texels(prim, cube))
    if not bool(light.lamps.any()):
        return around, torch.zeros_like(around)
    return around, sample(light.lamps, *light.fine.texels(prim, cube))


def _open_air(scene: Scene, normal: torch.Tensor, openness: torch.Tensor) -> torch.Tensor:
    """Light (N, 3) of sky and surrounding ground on terrain."""
    sky = scene.sky
    up = _vector(sky.zenith, normal) * 0.6 + _vector(sky.horizon, normal) * 0.4
    down = _vector(sky.ground, normal) * (0.3 + 0.5 * max(0.0, sky.sun[2]))
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


def _light(scene: Scene, prepared: Prepared, surface: Surface, view: torch.Tensor) -> torch.Tensor:
    """Outgoing radiance (N, 3): sun, lamps, sky and bounces, highlights and emission."""
    sky, normal = scene.sky, surface.normal
    # what comes from around comes mostly from above the surface: relief dims it a little
    light = surface.around * (normal * surface.face).sum(1, keepdim=True).clamp_min(0.3)
    glint = torch.zeros_like(light)
    sun, sun_color = _vector(sky.sun, view), _vector(sky.sun_color, view)
    amount = (normal @ sun).clamp_min(0) * _sunlit(scene, prepared, surface, sun)
    light += amount[:, None] * sun_color
    shiny = bool((surface.gloss > 0).any())
    if shiny:
        glint += (_phong(surface, view, sun.expand_as(view)) * amount)[:, None] * sun_color
    if scene.lamps:
        light += _lamps(scene, surface, view, glint, shiny)
    if shiny:  # a faint mirror of the surroundings at grazing angles
        fresnel = (1 + (view * normal).sum(1)).clamp(0, 1) ** 5
        glint += (surface.gloss * (0.04 + 0.5 * fresnel))[:, None] * surface.around
    return surface.albedo * (light + surface.emission[:, None]) + glint


def _lamps(
    scene: Scene, surface: Surface, view: torch.Tensor, glint: torch.Tensor, shiny: bool
) -> torch.Tensor:
    """Baked lamp light (N, 3), modulated by the relief; adds the highlights to `glint`."""
    flat = torch.full((len(view),), 1e-6, device=view.device)
    bent, spark = flat.clone(), torch.zeros_like(view)
    for lamp in scene.lamps:
        amount, color = lamp.falloff(surface.point, surface.face)
        strength = float(color.mean())
        flat += amount * strength
        bent += lamp.falloff(surface.point, surface.normal)[0] * strength
        if shiny:
            toward = F.normalize(_vector(lamp.position, view) - surface.point, dim=1)
            spark += (_phong(surface, view, toward) * amount)[:, None] * color
    glint += spark * (surface.lamps.mean(1) / flat).clamp(0, 1)[:, None]
    return surface.lamps * (bent / flat).clamp(0.3, 1.7)[:, None]


def _vector(values: tuple[float, ...], like: torch.Tensor) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32, device=like.device)


def _sunlit(scene: Scene, prepared: Prepared, surface: Surface, sun: torch.Tensor) -> torch.Tensor:
    """(N,) share of the sun's disc that is seen."""
    share = torch.zeros(len(surface.point), device=sun.device)
    facing = torch.nonzero((surface.normal @ sun > 0) & (surface.face @ sun > 0)).view(-1)
    if not len(facing):
        return share
    start = surface.point[facing] + surface.face[facing] * 2e-3
    seen = sun_visibility(prepared.geometry, start, sun, scene.sky.sun_radius)
    if prepared.terrain is not None:
        seen = seen * prepared.terrain.sunlight(start)
    share[facing] = seen
    return share


def _phong(surface: Surface, view: torch.Tensor, toward: torch.Tensor) -> torch.Tensor:
    """(N,) Blinn-Phong highlight with a normalised lobe."""
    half = F.normalize(toward - view, dim=1)
    cosine = (surface.normal * half).sum(1).clamp_min(0)
    return surface.gloss * (surface.shine + 8) / 25 * cosine**surface.shine * 0.3

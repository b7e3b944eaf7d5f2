# SPDX-License-Identifier: GPL-3.0-or-later
"""Light that leaves surfaces towards the camera: sun, lamps, bounces, highlights, fog."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from .prepared import Prepared
from .scene import Scene
from .sky import sky_color, vector
from .surface import Surface, surface_at
from .trace import sun_visibility


def shade(
    scene: Scene, prepared: Prepared, origin: torch.Tensor, rays: torch.Tensor, t: torch.Tensor,
    prim: torch.Tensor, footprint: float,
) -> torch.Tensor:  # fmt: skip
    """Linear radiance (N, 3) along rays (N, 3) that hit at t (N,)."""
    length = rays.norm(dim=1)
    view = rays / length[:, None]
    color = sky_color(scene, view)
    hit = torch.nonzero(torch.isfinite(t)).view(-1)
    if len(hit):
        surface = surface_at(
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


def _light(scene: Scene, prepared: Prepared, surface: Surface, view: torch.Tensor) -> torch.Tensor:
    """Outgoing radiance (N, 3): sun, lamps, sky and bounces, highlights and emission."""
    sky, normal = scene.sky, surface.normal
    # what comes from around comes mostly from above the surface: relief dims it a little
    light = surface.around * (normal * surface.face).sum(1, keepdim=True).clamp_min(0.3)
    glint = torch.zeros_like(light)
    sun, sun_color = vector(sky.sun, view), vector(sky.sun_color, view)
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
            toward = F.normalize(vector(lamp.position, view) - surface.point, dim=1)
            spark += (_phong(surface, view, toward) * amount)[:, None] * color
    glint += spark * (surface.lamps.mean(1) / flat).clamp(0, 1)[:, None]
    return surface.lamps * (bent / flat).clamp(0.3, 1.7)[:, None]


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

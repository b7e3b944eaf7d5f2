# SPDX-License-Identifier: GPL-3.0-or-later
"""Colours for the cells of a picture that no memory frame saw.

`surfels` guesses them by rules: what is near, what lies in one plane, what faces the same way.
No one rule is right everywhere, so several guesses and what the picture knows are shown to a small
network, which corrects the first of them. All of it happens on coarse cells: how bright and how
coloured a surface is, not what is painted on it.
"""

from __future__ import annotations

import torch

from ...models.cell_net import load_colors
from ...shared.camera import Camera
from ..channels import COLOR_CELLS, GUESSES
from ..memory.sampling import MemoryImages
from ..memory.seen import Seen
from .depth_units import MAX_LOG_DEPTH
from .surfels import (
    Surfels,
    cells_around,
    guess_colors,
    memory_cells,
    spread_cells,
    surfels,
)

HELD_BACK = 0.5
"""Part of the correction that is left out where the depth is known: the first guess is good there,
and in scenes unlike those of the training the whole correction made it worse."""


def fill_unseen(
    images: MemoryImages, depth: torch.Tensor, camera: Camera, scale: float, seen: Seen
) -> tuple[torch.Tensor, torch.Tensor]:
    """Colours (3, H, W) where `seen` is unsure, and how far they come from (1, H, W); else 0.

    depth: (H, W) metres, +inf = sky, all known. scale: metres, see `world_scale`.
    """
    where = seen.sure[0] < 1
    target = surfels(depth, camera)
    memory = memory_cells(images.frames, images.device)
    guesses = guess_cells(memory, target, where, camera, scale)
    nearest, distance = guesses[:, GUESSES["nearest"]], guesses[:, GUESSES["distance"]]
    if where.any() and memory.known.any():
        told = color_cells(target, guesses, camera, scale, seen)
        trusted = 1 - HELD_BACK * COLOR_CELLS.of(told, "known")
        correction = load_colors(depth.device)(told[None])[0] * trusted
        nearest = (nearest + correction.flatten(1).T).clamp(-1, 1)
    values = torch.cat([nearest, distance], 1)
    return spread_cells(target, values, depth, camera, where).split((3, 1))


def guess_cells(
    memory: Surfels, target: Surfels, where: torch.Tensor, camera: Camera, scale: float
) -> torch.Tensor:
    """(N, C): `guess_colors` of the cells around the pixels `where` (H, W) marks, else 0."""
    wanted = cells_around(where, camera)
    guesses = torch.zeros(len(wanted), GUESSES.count, device=where.device)
    if wanted.any():
        guesses[wanted] = guess_colors(target.only(wanted), memory, scale)
    return guesses


def color_cells(
    target: Surfels, guesses: torch.Tensor, camera: Camera, scale: float, seen: Seen
) -> torch.Tensor:
    """(COLOR_CELLS.count, rows, columns): what the network is told of each cell.

    target: the picture's cells. guesses: (N, C). Directions and normals are given along the
    camera's right, so that they change their sign in a mirror, and so that the way north does not
    matter.
    """
    cells = seen.cells(camera)
    axes = torch.tensor(camera.c2w[:3, :3], dtype=torch.float32, device=guesses.device)
    eye = torch.tensor(camera.position, dtype=torch.float32, device=guesses.device)
    solid = ~target.sky
    away = target.position - eye
    reach = torch.where(solid, (away @ axes[:, 2]).clamp(min=1e-6) / scale, 1.0)
    normal = target.normal
    right, down = (target.direction @ axes[:, :2]).T
    facing = torch.stack([normal @ axes[:, 0], normal[:, 2], normal @ axes[:, 2]]) * solid
    ruled = {name: guesses[:, where].T for name, where in GUESSES.slices.items()}
    told = {
        "solid": solid.float(),
        "log_depth": (reach.log() / MAX_LOG_DEPTH).clamp(-1, 1) * solid,
        "rise": target.direction[:, 2],
        "height": (away[:, 2] / scale * solid).clamp(-3, 3),
        "ray_right": right,
        "ray_down": down,
        "normal_right": facing[0],
        "normal_up": facing[1],
        "normal_forward": facing[2],
        **ruled,
    }
    grid = cells["known"].shape[1:]
    return COLOR_CELLS.pack(**cells, **{k: v.reshape(-1, *grid) for k, v in told.items()})

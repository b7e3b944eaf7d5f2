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
from ..channels import COLOR_CELLS, GUESSES
from ..memory.seen import Seen
from ..view import View
from .depth_units import MAX_LOG_DEPTH
from .proposals import ColorProposal, SoFar
from .surfels import (
    Surfels,
    cells_around,
    guess_colors,
    spread_cells,
    surfels,
)

HELD_BACK = 0.5
"""Part of the correction that is left out where the depth is known: the first guess is good there,
and in scenes unlike those of the training the whole correction made it worse."""


def propose_alike(so_far: SoFar) -> ColorProposal:
    """The colours of alike surfaces, corrected, where what was seen is unsure; else 0."""
    view, scale, seen, depth = so_far.view, so_far.scale, so_far.seen, so_far.depth
    where = seen.sure[0] < 1
    target, memory = surfels(depth, view), so_far.images.cells
    guesses = guess_cells(memory, target, where, view, scale)
    nearest, distance = guesses[:, GUESSES["nearest"]], guesses[:, GUESSES["distance"]]
    if where.any() and memory.known.any():
        cells = color_cells(target, guesses, view, scale, seen)
        trusted = 1 - HELD_BACK * COLOR_CELLS.of(cells, "known")
        correction = load_colors(depth.device)(cells[None])[0] * trusted
        nearest = (nearest + correction.flatten(1).T).clamp(-1, 1)
    values = torch.cat([nearest, distance], 1)
    color, far = spread_cells(target, values, depth, view, where).split((3, 1))
    return ColorProposal(color, far)


def guess_cells(
    memory: Surfels, target: Surfels, where: torch.Tensor, view: View, scale: float
) -> torch.Tensor:
    """(N, C): `guess_colors` of the cells around the pixels `where` (H, W) marks, else 0."""
    wanted = cells_around(where, view)
    guesses = torch.zeros(len(wanted), GUESSES.count, device=where.device)
    if wanted.any():
        guesses[wanted] = guess_colors(target.only(wanted), memory, scale)
    return guesses


def color_cells(
    target: Surfels, guesses: torch.Tensor, view: View, scale: float, seen: Seen
) -> torch.Tensor:
    """(COLOR_CELLS.count, rows, columns): what the network is told of each cell.

    target: the picture's cells. guesses: (N, C). Directions and normals are given along the
    camera's right, so that they change their sign in a mirror, and so that the way north does not
    matter.
    """
    cells = seen.cells(view)
    axes = view.axes
    solid = ~target.sky
    away = target.position - view.eye
    reach = torch.where(solid, (away @ axes[:, 2]).clamp(min=1e-6) / scale, 1.0)
    normal = target.normal
    right, down = (target.direction @ axes[:, :2]).T
    facing = torch.stack([normal @ axes[:, 0], normal[:, 2], normal @ axes[:, 2]]) * solid
    ruled = {name: guesses[:, where].T for name, where in GUESSES.slices.items()}
    values = {
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
    return COLOR_CELLS.pack(**cells, **{k: v.reshape(-1, *grid) for k, v in values.items()})

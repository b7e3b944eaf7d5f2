# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds that the networks on coarse cells learn from, and how their colours are varied.

Scenes, flights, references and their flaws are those of the frame model's samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from ..conditioning.anchors.point_renderer import PointCloud
from ..conditioning.channels import Layout
from ..conditioning.conditions import world_scale
from ..conditioning.memory.images import MemoryImages
from ..data.nerfstudio import PosedFrame
from ..learning.samples import choose_references, flaw_depth, to_memory, world_anchors
from .sample_cache import Flight

SIZE = 128
WORLDS_PER_FLIGHT, FLOWN, TURNED = 8, 4, 2
REFERENCE_COUNTS = (1, 1, 1, 2, 3)
PERMUTED = 0.2
"""Part of the batches whose red, green and blue change places."""


@dataclass(eq=False)
class DrawnWorld:
    """What some references of a flight show, and the views that are asked for."""

    cloud: PointCloud
    images: MemoryImages
    scale: float
    targets: list[PosedFrame]


def draw_worlds(flight: Flight, seed: int, whole: float) -> Iterator[DrawnWorld]:
    """`WORLDS_PER_FLIGHT` of them. whole: part of the worlds whose geometry is every view's."""
    rng = np.random.default_rng(seed)
    for _ in range(WORLDS_PER_FLIGHT):
        count = min(int(rng.choice(REFERENCE_COUNTS)), len(flight.views) - 1)
        references = choose_references(count, len(flight.views), rng)
        targets = []
        if flight.looks:
            source, look = flight.looks[rng.integers(len(flight.looks))]
            references[min(range(count), key=lambda k: abs(references[k] - source))] = source
            aside = [view for i, view in flight.looks if i in references and view is not look]
            targets = [look, *aside][:TURNED]
        others = [i for i in range(len(flight.views)) if i not in references]
        chosen = rng.choice(others, min(FLOWN, len(others)), replace=False)
        targets += [flight.views[i] for i in chosen]
        memory = [flaw_depth(to_memory(flight.views[i], f"{i:04d}"), rng) for i in references]
        everything = others if rng.random() < whole else []
        anchors = world_anchors(
            memory, [to_memory(flight.views[i], f"{i:04d}") for i in everything]
        )
        scale = world_scale(memory, anchors)
        yield DrawnWorld(PointCloud(anchors), MemoryImages(memory), scale, targets)


@dataclass(eq=False)
class Tint:
    """Another light on a batch: gain and shift (B, 3, 1, 1), and an order of the colours."""

    gain: torch.Tensor
    shift: torch.Tensor
    order: torch.Tensor

    @classmethod
    def draw(cls, batch: int, device: torch.device) -> Tint:
        """One for each of the batch; the order is the same for all of them."""
        one, three = (torch.randn(batch, n, 1, 1, device=device) for n in (1, 3))
        gain = (1 + 0.25 * one.clamp(-1.5, 1.5)) * (1 + 0.08 * three)
        one, three = (torch.randn(batch, n, 1, 1, device=device) for n in (1, 3))
        permuted = torch.rand(()) < PERMUTED
        order = torch.randperm(3) if permuted else torch.arange(3)
        return cls(gain, 0.12 * one + 0.05 * three, order)

    def of(self, color: torch.Tensor) -> torch.Tensor:
        """color: (B, 3, h, w)."""
        return (color * self.gain + self.shift)[:, self.order]

    def lay_over(self, cells: torch.Tensor, layout: Layout) -> None:
        """Change the colours among the channels of (B, C, h, w)."""
        for channel in layout.colors():
            color = layout.of(cells, channel.name)
            color.copy_(self.of(color))

# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows from one memory frame alone, each found out when it is first asked for."""

from __future__ import annotations

from functools import cached_property
from weakref import WeakValueDictionary

import numpy as np
import torch

from ...shared.frame import MemoryFrame
from ..unseen.patterns import Pattern, find_pattern, seen_pixels
from ..unseen.planes import Plane, find_planes
from ..unseen.surfels import Surfels, surfels
from ..view import View

GRID = 64
"""Cells a side of the coarse depth bounds that views are chosen by."""
PATTERNED_PLANES = 6
"""Largest planes of a frame that are searched for a pattern."""
_CPU = torch.device("cpu")


class PreparedFrame:
    """A memory frame as conditions use it, on one device."""

    def __init__(self, frame: MemoryFrame, device: torch.device) -> None:
        self.frame = frame
        self.device = device

    @cached_property
    def bounds(self) -> tuple[torch.Tensor, torch.Tensor]:
        """(GRID, GRID) nearest and farthest depth in cells of the picture, on the CPU; near = inf
        where none is known."""
        depth = self.frame.depth
        if depth is None or not self.frame.enabled:
            return torch.full((GRID, GRID), torch.inf), torch.zeros(GRID, GRID)
        rows = np.linspace(0, depth.shape[0] - 1, 3 * GRID).round().astype(int)
        columns = np.linspace(0, depth.shape[1] - 1, 3 * GRID).round().astype(int)
        cells = depth[np.ix_(rows, columns)].reshape(GRID, 3, GRID, 3)
        known = cells > 0
        near = np.where(known, cells, np.inf).min(axis=(1, 3))
        far = np.where(known, cells, 0.0).max(axis=(1, 3))
        return torch.from_numpy(near.astype(np.float32)), torch.from_numpy(far.astype(np.float32))

    @cached_property
    def cells(self) -> Surfels:
        """Its cells as pieces of surface. The frame must have depth."""
        return self._cells(self.device)

    @cached_property
    def planes(self) -> list[Plane]:
        """The planes that many of its cells lie on, on the CPU: see `seen_pixels`."""
        cells = self.cells if self.device == _CPU else self._cells(_CPU)
        return find_planes(cells, torch.tensor(self.frame.camera.position, dtype=torch.float32))

    @cached_property
    def patterns(self) -> list[Pattern | None]:
        """What repeats on its largest planes, on the CPU; all are searched at once."""
        seen = seen_pixels(self.frame)
        return [find_pattern(plane, seen) for plane in self.planes[:PATTERNED_PLANES]]

    def pattern(self, plane: int) -> Pattern | None:
        """What repeats on one of its planes."""
        return self.patterns[plane] if plane < len(self.patterns) else None

    def _cells(self, device: torch.device) -> Surfels:
        frame = self.frame
        assert frame.depth is not None
        color = torch.from_numpy(frame.rgb).to(device).permute(2, 0, 1).float() / 127.5 - 1
        return surfels(torch.from_numpy(frame.depth).to(device), View(frame.camera, device), color)


class PreparedFrames:
    """A frame that several worlds of one pipeline have is prepared once, as long as one lives."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        # a prepared frame keeps its frame, so that no other can have its id meanwhile
        self._known: WeakValueDictionary[int, PreparedFrame] = WeakValueDictionary()

    def of(self, frame: MemoryFrame) -> PreparedFrame:
        """The frame, prepared."""
        known = self._known.get(id(frame))
        if known is None:
            known = self._known[id(frame)] = PreparedFrame(frame, self.device)
        return known

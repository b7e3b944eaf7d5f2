# SPDX-License-Identifier: GPL-3.0-or-later
"""Walks a program: each node once, and what is the same everywhere only at compile time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..shading_points import ShadingPoints
from .program import Link, Node, Program
from .pyramid import TexturePyramid
from .registry import NODES
from .values import FLOAT, VECTOR, Kind, as_float, as_wide

Textures = Mapping[int, TexturePyramid]
"""Those that a program asks for, by number."""

GRAZING = 0.6
"""Cosine of the view below which a pixel is so much longer than wide that pictures are asked
at several places along it."""
Number = float
"""Under a name that `Call.float` does not take."""


@dataclass(frozen=True)
class Resources:
    """What a program is evaluated with. units: metres in one of Blender's units.

    footprints: what is known of how image nodes stretch a UV layer, see `nodes/footprint.py`.
    """

    textures: Textures
    units: float = 1.0
    footprints: dict[int, tuple[str, float] | None] = field(default_factory=dict)


Outputs = dict[str, tuple[np.ndarray, Kind]]


class Evaluation:
    """Values of one program at one set of points (None: only what needs no points)."""

    def __init__(
        self,
        program: Program,
        points: ShadingPoints | None,
        resources: Resources,
        folded: Mapping[int, Outputs] | None = None,
    ) -> None:
        self.program = program
        self.points = points
        self.resources = resources
        self.known: dict[int, Outputs] = dict(folded or {})
        self.folded: Mapping[int, Outputs] = folded or {}
        self._moved: dict[tuple[int, float], tuple[Evaluation, np.ndarray]] = {}
        self._along: tuple[np.ndarray, Evaluation] | None = None

    def value(self, link: Link) -> tuple[np.ndarray, Kind]:
        """What an output holds, float32: () or (N,) of a float, (3,) or (N, 3) of a vector or
        colour; zero, (), where the node has no such output."""
        if link.node not in self.known:
            for index in self.program.needs(link.node):
                if index not in self.known:
                    self.known[index] = self._evaluate(index)
        return self.known[link.node].get(link.out, (np.zeros((), np.float32), FLOAT))

    def float_of(self, link: Link) -> np.ndarray:
        """() or (N,), what an output holds as one number."""
        return as_float(*self.value(link))

    def standing(self) -> ShadingPoints:
        """The points; only nodes that are registered as varying ask."""
        assert self.points is not None
        return self.points

    def moved(self, axis: int, share: float = 1.0) -> tuple[Evaluation, np.ndarray]:
        """The same program aside of the points, and the way there, (N, 3) metres: see
        `ShadingPoints.moved`."""
        found = self._moved.get((axis, share))
        if found is None:
            points, way = self.standing().moved(axis, share)
            found = Evaluation(self.program, points, self.resources, self.folded), way
            self._moved[axis, share] = found
        return found

    def along(self) -> tuple[np.ndarray, Evaluation]:
        """Numbers (K,) of the points whose pixels are much longer than wide, and the same program
        at these K, one length of a pixel away."""
        if self._along is None:
            points = self.standing()
            slanted = np.flatnonzero(points.cosine() < GRAZING)
            some = points.take(slanted)
            away = some.aside(some.axes()[0], 1.0)
            self._along = slanted, Evaluation(self.program, away, self.resources, self.folded)
        return self._along

    def call(self, index: int) -> Call:
        """A node with its inputs."""
        return Call(self, index, self.program.nodes[index])

    def _evaluate(self, index: int) -> Outputs:
        call = self.call(index)
        found = NODES.get(call.node.type)
        if found is None:
            return {}
        with np.errstate(all="ignore"):
            made = found.evaluate(call)
        if not isinstance(made, dict):
            made = {next(iter(found.outputs)): made}
        return {
            name: (np.asarray(value, np.float32), found.outputs[name])
            for name, value in made.items()
        }


class Call:
    """One node while it is evaluated: its properties and the values of its inputs."""

    def __init__(self, evaluation: Evaluation, index: int, node: Node) -> None:
        self.evaluation = evaluation
        self.index = index
        self.node = node
        self.props: dict[str, Any] = node.props

    @property
    def points(self) -> ShadingPoints:
        """The points; only nodes that are registered as varying ask."""
        return self.evaluation.standing()

    @property
    def units(self) -> float:
        """Metres in one of Blender's units, which lengths and places count in."""
        return self.evaluation.resources.units

    @property
    def textures(self) -> Textures:
        """The textures that there are."""
        return self.evaluation.resources.textures

    def linked(self, name: str) -> Link | None:
        """What is plugged in there."""
        found = self.node.inputs.get(name)
        return found if isinstance(found, Link) else None

    def asked(self, out: str) -> bool:
        """Whether any node uses this output."""
        return Link(self.index, out) in self.evaluation.program.used

    def prop(self, name: str, default: Any) -> Any:
        """A property, or the default where it is missing or of another type."""
        value = self.props.get(name, default)
        if isinstance(default, bool):
            return bool(value)
        if isinstance(default, int | float):
            return value if isinstance(value, int | float) else default
        return value if isinstance(value, type(default)) else default

    def float(self, name: str, default: float = 0.0) -> np.ndarray:
        """() or (N,)."""
        return as_float(*self._input(name, default))

    def vector(self, name: str, default: Sequence[Number] = (0.0, 0.0, 0.0)) -> np.ndarray:
        """(3,) or (N, 3)."""
        return as_wide(*self._input(name, default))

    def color(self, name: str, default: Sequence[Number] = (0.8, 0.8, 0.8)) -> np.ndarray:
        """(3,) or (N, 3)."""
        return as_wide(*self._input(name, default))

    def is_constant(self, name: str, value: Number, default: Number | None = None) -> bool:
        """Whether an input is known to be this number at all points.

        default: what it is where the program has no such input; `value` itself if not given.
        """
        found = self.float(name, value if default is None else default)
        return found.ndim == 0 and float(found) == value

    def _input(self, name: str, default: Number | Sequence[Number]) -> tuple[np.ndarray, Kind]:
        found = self.node.inputs.get(name)
        if isinstance(found, Link):
            return self.evaluation.value(found)
        if found is not None:
            return found
        made = np.asarray(default, np.float32)
        return made, (VECTOR if made.ndim else FLOAT)

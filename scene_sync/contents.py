# SPDX-License-Identifier: GPL-3.0-or-later
"""What was found in a scene, as Blender has it: objects' kinds, and each place they stand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from mathutils import Matrix

from ..backend.shared.scene import EVERYWHERE
from .anchor_points import Points
from .geometry import Surface
from .lamps import Light
from .materials import BaseColor
from .shader import Shader

SKIPPED = "The object '{}' was left out: {}; clear its transform or delete it."


class Kind(NamedTuple):
    """What all instances of an object share. holdout, catcher: of the object itself.

    hair: of its particle systems, which stand where it does. deforms: whether it may bend.
    animated: whether anything about it, but for its place, is animated or driven. unbaked: whether
    Bake Materials would show it better.
    """

    name: str
    source: Surface | Points | Light | None
    base_colors: list[BaseColor]
    shaders: list[Shader]
    visible: int = EVERYWHERE
    holdout: bool = False
    catcher: bool = False
    color: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    hair: tuple[Kind, ...] = ()
    problems: tuple[str, ...] = ()
    deforms: bool = False
    animated: bool = False
    unbaked: bool = False


class Found(NamedTuple):
    """One instance as Blender has it, in the scene's units.

    visible, holdout: of the kind, of what makes the instance and of its collections.
    """

    key: str
    kind: Kind
    matrix: Matrix
    visible: int = EVERYWHERE
    holdout: bool = False
    random: float = 0.0


@dataclass(frozen=True, eq=False)
class Placed:
    """One instance: its mesh in its own space and where it stands, in metres."""

    key: str
    surface: Surface
    base_colors: list[BaseColor]
    matrix: np.ndarray


@dataclass(frozen=True, eq=False)
class Stored:
    """Points that came with a built world, and where they stand, in metres."""

    key: str
    points: Points
    matrix: np.ndarray


@dataclass(frozen=True, eq=False)
class Contents:
    """Everything with a surface, and all lamps. scale_length: metres per unit of the scene."""

    found: list[Found]
    scale_length: float

    @cached_property
    def sorted(self) -> tuple[list[Placed], list[Stored], list[str]]:
        """What can be placed, in the order of the keys, and why the rest cannot.

        Takes its time in scenes of many objects: not for a draw.
        """
        return sort_out(self.found, self.scale_length)


def can_be_placed(one: Found) -> bool:
    """Whether something with a surface has a place."""
    placed, stored, _ = sort_out([one], 1.0)
    return bool(placed or stored)


def sort_out(
    found: list[Found], scale_length: float
) -> tuple[list[Placed], list[Stored], list[str]]:
    """What has a surface, what has points, and a sentence about each object that has no place."""
    skipped: dict[str, str] = {}
    placed: list[Placed] = []
    stored: list[Stored] = []
    matrices = np.array([np.array(one.matrix) for one in found], float).reshape(-1, 4, 4)
    problems = unusable(matrices)
    matrices[:, :3] *= scale_length
    for one, matrix, problem in zip(found, matrices, problems, strict=True):
        kind, source = one.kind, one.kind.source
        if isinstance(source, Surface) and not source.finite:
            problem = problem or "it has NaN coordinates"
        if source is None or isinstance(source, Light):
            continue
        if problem:
            skipped[kind.name] = SKIPPED.format(kind.name, problem)
        elif isinstance(source, Surface):
            placed.append(Placed(one.key, source, kind.base_colors, matrix))
        elif len(source.anchors):
            stored.append(Stored(one.key, source, matrix))
    # the depsgraph's order follows how objects were made; a world must not
    placed.sort(key=lambda one: one.key)
    stored.sort(key=lambda one: one.key)
    return placed, stored, list(skipped.values())


def unusable(matrices: np.ndarray) -> list[str]:
    """Why something cannot be placed by each of (N, 4, 4); "" where it can."""
    finite = np.isfinite(matrices).all(axis=(1, 2))
    scales = np.sort(np.linalg.norm(matrices[:, :3, :3], axis=1), axis=1)
    flat = scales[:, 1] < 1e-9
    return [
        "its transform has NaN values" if not known else "its scale is zero" if thin else ""
        for known, thin in zip(finite, flat, strict=True)
    ]

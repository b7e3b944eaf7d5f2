# SPDX-License-Identifier: GPL-3.0-or-later
"""How well what a memory frame saw still fits the scene. Reads nothing of Blender's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

import numpy as np

from ..backend.shared.camera import Camera
from ..backend.shared.moment import Comparison, Moment, box_corners, boxes_around
from ..backend.shared.names import Names
from ..backend.shared.scene import Lamp, Scene
from .moment_reader import SceneFound

LISTED = 3
"""Objects that a sentence names."""
_LITTLE, _MUCH = 0.02, 0.5
"""Shares of all lamps' power whose change is one, and makes a frame stale."""
_TURNED = 1e-3


class Fit(Enum):
    """How a memory frame fits; what it is called is shown."""

    UNKNOWN = "unknown"
    FITS = "fits"
    PARTLY = "partly stale"
    STALE = "stale"


@dataclass(frozen=True)
class State:
    """fit, and what changed: objects' names, and whether lamps and the world did."""

    fit: Fit
    objects: tuple[str, ...] = ()
    lamps: bool = False
    world: bool = False

    @property
    def stale(self) -> bool:
        """Whether capturing it again would help."""
        return self.fit in (Fit.PARTLY, Fit.STALE)


UNKNOWN = State(Fit.UNKNOWN)


@dataclass(frozen=True, eq=False)
class Now:
    """A scene to compare memory frames with. frame: its number. animated: keys of instances and
    lamps that another frame may show otherwise; world_animated: the same of the world. objects:
    names of all that the scene has, and rendered: of what of it final renders show. boxes:
    (N, 2, 3) around its instances."""

    scene: Scene
    names: Names
    frame: int
    animated: frozenset[str]
    world_animated: bool
    objects: frozenset[str]
    rendered: frozenset[str]
    boxes: np.ndarray

    @classmethod
    def of(
        cls,
        found: SceneFound,
        frame: int,
        world_animated: bool,
        objects: frozenset[str],
        rendered: frozenset[str],
    ) -> Now:
        """Takes its time: not for a draw."""
        scene = found.scene(wait=False)
        matrices = np.array([one.matrix for one in scene.instances]).reshape(-1, 4, 4)
        boxes = boxes_around(scene, matrices)
        names, animated = Names.of(scene), found.animated
        return cls(scene, names, frame, animated, world_animated, objects, rendered, boxes)


def state_of(now: Now, moment: Moment | None, camera: Camera, frame: int | None) -> State:
    """Of a frame that `camera` saw at the scene's frame number `frame`.

    What moved as a whole, or bent in a way that was kept, still fits. Of another frame of the
    scene, what its animation may have changed says nothing.
    """
    if moment is None:
        return UNKNOWN
    same_frame = frame in (None, now.frame)
    found = Comparison.of(now.scene, now.names, moment)
    here = found.place >= 0
    changed = ~here | ~found.looks
    for i in np.flatnonzero(here & ~found.shaped):
        changed[i] |= moment.vertices_of(found.place[i]) is None
    names = []
    for i in np.flatnonzero(changed):
        one = now.scene.instances[i]
        if not same_frame and one.key in now.animated:
            continue
        if _in_sight(camera, now.boxes[i]):
            names.append(one.object)
    keys = moment.names()
    for i in np.flatnonzero(found.gone):
        name = keys[i].split("/")[0]
        there = now.rendered if same_frame else now.objects  # hidden in the viewport: no change
        if name not in there and _in_sight(camera, moment.bounds[i]):
            names.append(name)
    world = moment.sky != now.names.sky or moment.around != now.names.around
    world &= same_frame or not now.world_animated
    lamps = _lamps_changed(moment.lamps, now, same_frame)
    objects = tuple(dict.fromkeys(names))
    if world or lamps > _MUCH:
        fit = Fit.STALE
    else:
        fit = Fit.PARTLY if objects or lamps > _LITTLE else Fit.FITS
    return State(fit, objects, lamps > _LITTLE, world)


def _lamps_changed(then: Iterable[Lamp], now: Now, same_frame: bool) -> float:
    """Share of all power that is another, elsewhere, or turned."""
    loose = frozenset() if same_frame else now.animated
    before = {lamp.key: lamp for lamp in then if lamp.key not in loose}
    after = {lamp.key: lamp for lamp in now.scene.lamps if lamp.key not in loose}
    changed = total = 0.0
    for key in before.keys() | after.keys():
        one, other = before.get(key), after.get(key)
        powers = [np.zeros(3) if lamp is None else np.abs(lamp.power) for lamp in (one, other)]
        most = float(np.maximum(*powers).sum())
        total += most
        if one is None or other is None or _elsewhere(one, other):
            changed += most
        else:
            changed += float(np.abs(powers[0] - powers[1]).sum())
    return changed / total if total else 0.0


def _elsewhere(one: Lamp, other: Lamp) -> bool:
    if one.kind == "SUN":
        return not np.allclose(one.matrix[:3, :3], other.matrix[:3, :3], atol=_TURNED)
    return not np.allclose(one.matrix, other.matrix, atol=_TURNED)


def _in_sight(camera: Camera, box: np.ndarray) -> bool:
    """Whether a box (2, 3) reaches into what a camera looks at; what hides it is not asked."""
    local = (box_corners(box) - camera.position) @ camera.c2w[:3, :3]
    x, y, z = local.T
    w = np.ones(len(z)) if camera.is_orthographic else z
    across = camera.K[0, 0] * x + camera.K[0, 2] * w
    down = camera.K[1, 1] * y + camera.K[1, 2] * w
    outside = (
        (across < 0).all(),
        (across > camera.width * w).all(),
        (down < 0).all(),
        (down > camera.height * w).all(),
    )
    return bool((z > 0).any() and not any(outside))

# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of scene by name, and their exposure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from ...shared.errors import InputError
from .outdoors import landscape, street
from .paths import fly_path
from .render import linear_view
from .rooms import corridor, interior, still_life
from .scene import Builder, Scene
from .sets import abstract

_BUILDERS: dict[str, Callable[[Builder], None]] = {
    "interior": interior,
    "street": street,
    "landscape": landscape,
    "corridor": corridor,
    "still_life": still_life,
    "abstract": abstract,
}
KINDS: tuple[str, ...] = tuple(_BUILDERS)


def make_scene(kind: str, seed: int, photos: Sequence[np.ndarray] = ()) -> Scene:
    """The scene that (kind, seed) stands for; the same bytes every time.

    photos: pictures (H, W, 3) uint8 sRGB that serve as some of its textures.

    Raises InputError for an unknown kind.
    """
    if kind not in _BUILDERS:
        raise InputError(f"There is no scene kind '{kind}'; choose from {', '.join(KINDS)}.")
    rng = np.random.default_rng([KINDS.index(kind), seed])
    builder = Builder(kind, seed, rng, photos)
    _BUILDERS[kind](builder)
    scene = builder.scene()
    _expose(scene, float(rng.uniform(0.14, 0.26)))
    return scene


def _expose(scene: Scene, target: float) -> None:
    """Sets the exposure so that a few small views average to `target` in linear light."""
    levels = []
    for camera in fly_path(scene, 0, 4, (24, 24)):
        light = linear_view(scene, camera).clamp_max(6.0).mean(1)
        levels.append(torch.quantile(light, torch.tensor([0.5, 0.9])))
    middle, high = torch.stack(levels).mean(0).tolist()
    scene.exposure = min(target / max(middle, 1e-4), 0.85 / max(high, 1e-4), 60.0)

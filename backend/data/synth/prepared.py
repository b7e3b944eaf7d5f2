# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene's tensors on one device, with its baked light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from .fields import SIZE
from .lightmap import Lightmap, bake
from .scene import Scene
from .terrain import TerrainField
from .textures import LEVELS
from .trace import Geometry


@dataclass(eq=False)
class Solid:
    """What rays can hit, on one device."""

    geometry: Geometry
    terrain: TerrainField | None


@dataclass(eq=False)
class Prepared(Solid):
    """A scene's tensors on one device."""

    rotation: torch.Tensor  # (P, 3, 3)
    half: torch.Tensor  # (P, 3)
    material: torch.Tensor  # (P,)
    offset: torch.Tensor  # (P, 2)
    looks: torch.Tensor  # (M, 8) repeat, mapping, gloss, shine, emission, bump, texture, 0
    tint: torch.Tensor  # (M, 3)
    texels: torch.Tensor  # (T * L, CHANNELS)
    levels: torch.Tensor  # (LEVELS,) first texel of each mip level
    center: torch.Tensor  # (P, 3)
    mean_color: torch.Tensor  # (P, 3) albedo seen from afar
    glow: torch.Tensor  # (P,) emission
    light: Lightmap | None = None


def solid(scene: Scene, device: torch.device | str) -> Solid:
    """What rays can hit, made once and kept with the scene: no textures, no light."""
    key = f"solid {device}"
    if key not in scene.cache:
        terrain = TerrainField.of(scene, device) if scene.terrain is not None else None
        scene.cache[key] = Solid(Geometry.of(scene, device), terrain)
    return scene.cache[key]


def prepare(scene: Scene, device: torch.device | str) -> Prepared:
    """The scene's tensors on `device`, made once and kept with the scene."""
    key = f"prepared {device}"
    if key not in scene.cache:

        def put(a: npt.ArrayLike) -> torch.Tensor:
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
        bare = solid(scene, device)
        prepared = Prepared(
            bare.geometry, bare.terrain, put(scene.rotation), put(scene.half),
            torch.tensor(scene.material, device=device), put(scene.offset), put(looks),
            put([m.tint for m in scene.materials]), put(texels.reshape(-1, texels.shape[2])),
            torch.tensor(np.cumsum([0, *sizes]), device=device),
            put(scene.center), put(means[scene.material]), put(emission[scene.material]),
        )  # fmt: skip
        with torch.no_grad():
            prepared.light = bake(scene, prepared)
        scene.cache[key] = prepared
    return scene.cache[key]

# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of what a scene's instances are: alike where those are, in any session and machine."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np

from .content import kept_hash
from .part_names import LAYERS, SHAPE
from .scene import Instance, Scene

_OWN = ("OBJECT_INFO", "ATTRIBUTE", "HAIR_INFO", "PARTICLE_INFO")
"""Nodes that ask for what one object has for its own."""


@dataclass(frozen=True, eq=False)
class Names:
    """Of N instances.

    shapes: (N, SHAPE) float64 of their vertices. layers: (N, LAYERS) float64 of UV coordinates and
    colour attributes. looks: (N, 2) int32 of triangles, materials and all else. sky: of the
    background. around: of fog and film.
    """

    keys: list[str]
    shapes: np.ndarray
    layers: np.ndarray
    looks: np.ndarray
    sky: str
    around: str

    @classmethod
    def of(cls, scene: Scene) -> Names:
        """The names of what is in a scene."""
        kept = _Looks(scene)
        count = len(scene.instances)
        meshes = [scene.meshes[one.mesh].names for one in scene.instances]
        looks = [kept.of(one) for one in scene.instances]
        fog = (scene.fog_density, *scene.fog_color, scene.fog_anisotropy, scene.film.exposure)
        box = () if scene.fog_box is None else scene.fog_box.ravel()
        return cls(
            [one.key.replace("\n", " ") for one in scene.instances],
            np.array([one.shape for one in meshes], np.float64).reshape(count, SHAPE),
            np.array([one.layers for one in meshes], np.float64).reshape(count, LAYERS),
            np.array(looks, np.int32).reshape(count, 2),
            _sky(scene),
            " ".join(f"{value:.5g}" for value in (*fog, *box)),
        )


class _Looks:
    """Names of how a scene's instances look, but for their layers."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        pictures = tuple(one.content for one in scene.textures)
        self._programs = [one.look or one.names.of(pictures) for one in scene.materials]
        self._own = [any(f'"{kind}"' in one.program for kind in _OWN) for one in scene.materials]
        self._known: dict[tuple[object, ...], np.ndarray] = {}

    def of(self, one: Instance) -> np.ndarray:
        """(2,) int32."""
        own: tuple[str, ...] = ()
        if any(n >= 0 and self._own[n] for n in one.materials):
            own = tuple(f"{value:.5g}" for value in (*one.color, one.random))
        key = (one.mesh, one.materials, one.holdout, one.shadow_catcher, own)
        if key not in self._known:
            programs = [self._programs[n] if n >= 0 else "" for n in one.materials]
            mesh = self._scene.meshes[one.mesh].names.rest
            self._known[key] = _named(mesh, json.dumps([programs, *key[2:]]).encode())
        return self._known[key]


def _named(*parts: bytes) -> np.ndarray:
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return np.frombuffer(digest.digest(), np.int32)


def _sky(scene: Scene) -> str:
    sky = scene.background
    if sky is None:
        return ""
    return f"{sky.identity or kept_hash(sky.pixels)} {sky.visible}"

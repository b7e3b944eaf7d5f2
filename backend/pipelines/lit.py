# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds with surfaces: lit pictures, corrected by what memory saw."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np

from ..conditioning.anchors.geometry import Geometry
from ..conditioning.anchors.materials import UNASSIGNED, CompiledMaterial
from ..conditioning.anchors.surface import Matter
from ..conditioning.anchors.tracing import AVAILABLE
from ..conditioning.light import frame
from ..conditioning.light.cache import WHOLE, Quality
from ..conditioning.light.shade import Lighting
from ..conditioning.memory.ratio import Memory
from ..conditioning.memory.remembered import Remembered
from ..conditioning.memory.then import Past
from ..shared.color import as_halves, linear_to_srgb
from ..shared.errors import WorldError
from ..shared.frame import FrameReply, FrameRequest, MemoryFrame
from ..shared.scene import Material, Scene, Texture
from ..shared.tree_codec import same_tree
from ..shared.world import World

if not AVAILABLE:
    raise ImportError("Embree has no build for this system")

NAME = "lit"
RULES = "1"
"""Stands for a model's hash: rises when the same world and request give another frame."""


class Remembering:
    """Makes a world's memory and keeps of it what the next world can use."""

    def __init__(self, quality: Quality) -> None:
        self._past = Past(quality)
        self._known: WeakKeyDictionary[MemoryFrame, Remembered] = WeakKeyDictionary()

    def memory(self, lighting: Lighting, frames: list[MemoryFrame]) -> Memory | None:
        """Of the frames that are enabled; None where none is."""
        numbers = {n: one for n, one in enumerate(frames, start=1) if one.enabled}
        thens = self._past.of(lighting, list(numbers.values()))
        found = {}
        for (number, one), then in zip(numbers.items(), thens, strict=True):
            if then is None:
                continue
            kept = self._known.get(one)
            if kept is None or not kept.then.same(then):
                kept = self._known[one] = Remembered.of(then, one)
            found[number] = kept
        return Memory(lighting, found) if found else None


@dataclass(eq=False)
class PreparedScene:
    """A scene in its light, and the memory frames of its world."""

    lighting: Lighting
    revision: int
    frames: list[MemoryFrame]
    remembering: Remembering

    @cached_property
    def memory(self) -> Memory | None:
        """What memory frames saw beside their lit pictures; made when it is first asked for."""
        return self.remembering.memory(self.lighting, self.frames)


@dataclass(frozen=True, eq=False)
class _Compiled:
    material: CompiledMaterial
    textures: tuple[Texture, ...]
    units: float

    def fits(self, scene: Scene) -> bool:
        """Whether the numbers in the material's program still mean the same."""
        return (
            self.units == scene.units
            and len(self.textures) == len(scene.textures)
            and all(
                mine is theirs for mine, theirs in zip(self.textures, scene.textures, strict=True)
            )
        )


class LitWorld:
    """Makes frames of worlds with surfaces. Not thread-safe: one thread renders."""

    def __init__(self, quality: Quality = WHOLE) -> None:
        self.quality = quality
        self._compiled: WeakKeyDictionary[Material, _Compiled] = WeakKeyDictionary()
        self._bare = CompiledMaterial(UNASSIGNED, ())
        self._remembering = Remembering(quality)
        self._last: PreparedScene | None = None

    def prepare(self, world: World) -> PreparedScene:
        """Rays, lamps and bounced light of a world. Raises WorldError when nothing is in it."""
        scene = world.scene
        if scene is None or not scene.triangle_count():
            raise WorldError(
                "The world has no surfaces; add objects to the scene or capture memory frames."
            )
        last = self._last
        if last is not None and same_tree(last.lighting.geometry.scene, scene):
            lighting = last.lighting  # only memory changed
        else:
            geometry = Geometry.of(scene)
            matter = Matter(geometry, self._materials(scene))
            lighting = Lighting.of(scene, matter, self.quality)
        made = PreparedScene(lighting, world.revision, list(world.memory), self._remembering)
        self._last = made
        return made

    def _materials(self, scene: Scene) -> list[CompiledMaterial]:
        """Compiled once for as long as a material and the scene's textures stay the same."""
        made = []
        for material in scene.materials:
            kept = self._compiled.get(material)
            if kept is None or not kept.fits(scene):
                new = CompiledMaterial(material, scene.textures, scene.units)
                kept = self._compiled[material] = _Compiled(new, scene.textures, scene.units)
            made.append(kept.material)
        return [*made, self._bare]

    def render(self, prepared: PreparedScene, request: FrameRequest) -> FrameReply:
        """One frame. The same world and request give the same bytes."""
        began = time.perf_counter()
        lit = frame.render(prepared.lighting, request.camera)
        met = lit.triangle >= 0
        timings = {"lit": 1e3 * (time.perf_counter() - began)}
        color, told = lit.color, {"Confidence": np.zeros(met.shape, np.float32)}
        if request.mode != "anchors" and request.references and prepared.memory is not None:
            began = time.perf_counter()
            corrected = prepared.memory.corrected(lit, request.camera)
            color = corrected.color
            told = {"Confidence": corrected.confidence, "Memory": corrected.frame}
            timings["memory"] = 1e3 * (time.perf_counter() - began)
        return FrameReply(
            color=as_halves(color),
            alpha=lit.alpha.astype(np.float16),
            depth=np.where(met, lit.depth, np.inf).astype(np.float32),
            coverage=np.ones(met.shape, np.float32),
            anchor_rgb=_preview(lit.base),
            request=request,
            world_revision=prepared.revision,
            model_name=NAME,
            model_hash=RULES,
            timings=timings,
            passes={
                "Base Colour": lit.base,
                "Normal": lit.normal,
                "Lit": lit.color,
                **told,
            },
        )


def _preview(base: np.ndarray) -> np.ndarray:
    return np.rint(linear_to_srgb(base) * 255).astype(np.uint8)

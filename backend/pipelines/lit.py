# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds with surfaces: lit pictures, corrected by what memory saw."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Event, Lock
from weakref import WeakKeyDictionary

import numpy as np

from ..conditioning.anchors.forest import Forest
from ..conditioning.anchors.geometry import Geometry
from ..conditioning.anchors.materials import UNASSIGNED, CompiledMaterial
from ..conditioning.anchors.surface import Matter
from ..conditioning.anchors.tracing import AVAILABLE
from ..conditioning.light import frame
from ..conditioning.light.cache import FIRST, WHOLE, Quality
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
from .refiner import Refiner

if not AVAILABLE:
    raise ImportError("Embree has no build for this system")

NAME = "lit"
RULES = "2"
"""Stands for a model's hash: rises when the same world and request give another frame."""


class Remembering:
    """Makes a world's memory and keeps of it what the next world can use."""

    def __init__(self, quality: Quality) -> None:
        self._past = Past(quality)
        self._lock = Lock()
        self._known: WeakKeyDictionary[MemoryFrame, Remembered] = WeakKeyDictionary()

    def memory(self, lighting: Lighting, frames: list[MemoryFrame]) -> Memory | None:
        """Of the frames that are enabled; None where none is."""
        with self._lock:
            return self._memory(lighting, frames)

    def _memory(self, lighting: Lighting, frames: list[MemoryFrame]) -> Memory | None:
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
    """A scene, and its light as far as it is known.

    draft: for whoever looks on, better and better; final: the last of these. whole: for renders.
    carries: whether the first draft shows the bounced light of an earlier scene. carried: what
    drafts remember until the memory of this scene is made.
    """

    scene: Scene
    matter: Matter
    revision: int
    frames: list[MemoryFrame]
    remembering: Remembering
    draft: Lighting | None = None
    whole: Lighting | None = None
    final: Lighting | None = None
    carries: bool = False
    carried: Memory | None = None
    timings: dict[str, float] = field(default_factory=dict)
    _memories: dict[int, Memory | None] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether the draft cannot become better."""
        return self.final is not None and self.remembers(self.final)

    def remembers(self, lighting: Lighting) -> bool:
        """Whether `memory` is made for this light."""
        return id(lighting) in self._memories or not any(one.enabled for one in self.frames)

    def draft_memory(self) -> Memory | None:
        """The best there is for a draft."""
        if self.draft is not None and self.remembers(self.draft):
            return self.memory(self.draft)
        return self.carried

    def carry(self, last: PreparedScene) -> None:
        """Remember in drafts what `last` does, where things moved or light changed."""
        same = _same_objects(self.frames, last.frames) and _same_objects(
            self.scene.materials, last.scene.materials
        )
        memory = last.draft_memory() if same else None
        if memory is not None and self.draft is not None:
            self.carried = memory.carried(self.draft)

    def memory(self, lighting: Lighting) -> Memory | None:
        """What memory frames saw beside their lit pictures; made when it is first asked for."""
        if not self.remembers(lighting):
            self._memories[id(lighting)] = self.remembering.memory(lighting, self.frames)
        return self._memories.get(id(lighting))


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
    """Makes frames of worlds with surfaces. Not thread-safe: one thread renders.

    on_refined: called in a thread of its own when the draft of a world has become better.
    """

    def __init__(self, quality: Quality = WHOLE) -> None:
        self.quality = quality
        self.on_refined: Callable[[], None] = lambda: None
        self._compiled: WeakKeyDictionary[Material, _Compiled] = WeakKeyDictionary()
        self._bare = CompiledMaterial(UNASSIGNED, ())
        self._geometry: Geometry | None = None
        self._forest = Forest()
        self._shown: PreparedScene | None = None
        self._refiner = Refiner()
        self._remembering = Remembering(quality)
        self._last: PreparedScene | None = None

    def prepare(self, world: World) -> PreparedScene:
        """Geometry and materials of a world. Raises WorldError when nothing is in it."""
        scene = world.scene
        if scene is None or not scene.triangle_count():
            raise WorldError(
                "The world has no surfaces; add objects to the scene or capture memory frames."
            )
        last = self._last
        if last is not None and same_tree(last.scene, scene):  # only memory changed
            made = PreparedScene(
                last.scene,
                last.matter,
                world.revision,
                list(world.memory),
                self._remembering,
                last.draft,
                last.whole,
                last.final,
                last.carries,
            )
            self._last = made
            return made
        began = time.perf_counter()
        self._geometry = Geometry.of(scene, self._geometry)
        placed = time.perf_counter()
        matter = Matter(self._geometry, self._materials(scene))
        timings = {"geometry": placed - began, "materials": time.perf_counter() - placed}
        self._last = PreparedScene(
            scene,
            matter,
            world.revision,
            list(world.memory),
            self._remembering,
            timings={k: 1e3 * v for k, v in timings.items()},
        )
        return self._last

    def _drafted(self, prepared: PreparedScene) -> Lighting:
        """The best light there is of a scene, and a better one on its way.

        What only moved is shown in the bounced light that was there before.
        """
        if prepared.draft is None:
            began = time.perf_counter()
            last = self._shown
            light = last.draft if last is not None else None
            same = light is not None and _shine_alike(light.geometry.scene, prepared.scene)
            before = light.bounced if light is not None and same else None
            prepared.carries = before is not None
            prepared.draft = Lighting.of(
                prepared.scene, prepared.matter, FIRST, self._forest, before
            )
            if last is not None:
                prepared.carry(last)
            prepared.timings["light"] = 1e3 * (time.perf_counter() - began)
        self._shown = prepared
        if not prepared.complete:
            self._refiner.better(partial(self._refine, prepared, prepared.carries))
        return prepared.draft

    def _refine(self, prepared: PreparedScene, carries: bool, stop: Event) -> None:
        """In the refiner's thread."""
        draft = prepared.draft
        assert draft is not None
        if prepared.final is None and carries:
            prepared.draft = draft.refined(FIRST, stop)
            self.on_refined()
        final = prepared.final or draft.refined(self.quality, stop)
        prepared.memory(final)
        prepared.draft = prepared.final = final
        self.on_refined()

    def _whole(self, prepared: PreparedScene) -> Lighting:
        """The same light whatever was shown before."""
        if prepared.whole is None:
            began = time.perf_counter()
            prepared.whole = Lighting.of(prepared.scene, prepared.matter, self.quality)
            prepared.timings["light"] = 1e3 * (time.perf_counter() - began)
        return prepared.whole

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
        """One frame. The same world and request give the same bytes, but for drafts."""
        complete = prepared.complete
        lighting = self._drafted(prepared) if request.draft else self._whole(prepared)
        made, prepared.timings = prepared.timings, {}
        began = time.perf_counter()
        lit = frame.render(lighting, request.camera, request.glance)
        met = lit.triangle >= 0
        timings = {**made, "lit": 1e3 * (time.perf_counter() - began)}
        color, told = lit.color, {"Confidence": np.zeros(met.shape, np.float32)}
        wanted = request.mode != "anchors" and request.references
        if wanted:
            began = time.perf_counter()
            memory = prepared.draft_memory() if request.draft else prepared.memory(lighting)
            if memory is not None:
                corrected = memory.corrected(lit, request.camera)
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
            draft=request.draft and not complete,
        )


def _same_objects(one: Sequence[object], other: Sequence[object]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


def _shine_alike(one: Scene, other: Scene) -> bool:
    """Whether two scenes differ in where things stand at most, not in what shines."""
    return (
        one.background is other.background
        and same_tree(one.lamps, other.lamps)
        and _same_objects(one.materials, other.materials)
        and one.fog_density == other.fog_density
    )


def _preview(base: np.ndarray) -> np.ndarray:
    return np.rint(linear_to_srgb(base) * 255).astype(np.uint8)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds with surfaces: lit pictures, corrected by what memory saw."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Event, Lock
from weakref import WeakKeyDictionary, WeakValueDictionary

import numpy as np

from ..conditioning.anchors.forest import Forest
from ..conditioning.anchors.geometry import Geometry
from ..conditioning.anchors.materials import UNASSIGNED, CompiledMaterial, Pyramids
from ..conditioning.anchors.surface import Matter
from ..conditioning.anchors.tracing import AVAILABLE
from ..conditioning.light import frame
from ..conditioning.light.cache import FIRST, WHOLE, Quality
from ..conditioning.light.frame import LitFrame
from ..conditioning.light.shade import Lighting, without
from ..conditioning.memory.past_scenes import PastScenes
from ..conditioning.memory.ratio import Memory
from ..conditioning.memory.remembered import Remembered
from ..conditioning.threads import Stopped
from ..shared.color import as_halves, linear_to_srgb
from ..shared.errors import WorldError
from ..shared.frame import FrameReply, FrameRequest, MemoryFrame
from ..shared.scene import CAMERA, Material, Scene, Texture
from ..shared.stage import stage
from ..shared.tree_codec import same_tree
from ..shared.world import World
from .focus import focused
from .movers import Movers
from .passing import passed
from .refiner import Refiner
from .shutter import exposed

if not AVAILABLE:
    raise ImportError("Embree has no build for this system")

NAME = "lit"
RULES = "2"
"""Stands for a model's hash: rises when the same world and request give another frame."""


class Remembering:
    """Makes a world's memory and keeps of it what the next world can use."""

    def __init__(self, quality: Quality) -> None:
        self._past = PastScenes(quality)
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
class Drafts:
    """Light for whoever looks on, better and better, and the last of it; one for all scenes that
    differ in their viewpoints alone, as those of several viewports do.

    carries: whether the first shows the bounced light of an earlier scene.
    """

    light: Lighting | None = None
    final: Lighting | None = None
    carries: bool = False


@dataclass(eq=False)
class PreparedScene:
    """A scene, and its light as far as it is known.

    whole: for renders. carried: what drafts remember until the memory of this scene is made.
    """

    scene: Scene
    matter: Matter
    revision: int
    frames: list[MemoryFrame]
    remembering: Remembering
    drafts: Drafts = field(default_factory=Drafts)
    whole: Lighting | None = None
    carried: Memory | None = None
    timings: dict[str, float] = field(default_factory=dict)
    _memories: WeakKeyDictionary[Lighting, Memory | None] = field(default_factory=WeakKeyDictionary)

    @property
    def complete(self) -> bool:
        """Whether the draft cannot become better."""
        final = self.drafts.final
        return final is not None and self.remembers(final)

    def remembers(self, lighting: Lighting) -> bool:
        """Whether `memory` is made for this light."""
        return lighting in self._memories or not any(one.enabled for one in self.frames)

    def draft_memory(self) -> Memory | None:
        """The best there is for a draft."""
        light = self.drafts.light
        if light is not None and self.remembers(light):
            return self.memory(light)
        return self.carried

    def carry(self, last: PreparedScene) -> None:
        """Remember in drafts what `last` does, where things moved or light changed."""
        same = _same_objects(self.frames, last.frames) and _same_objects(
            self.scene.materials, last.scene.materials
        )
        memory = last.draft_memory() if same else None
        if memory is not None and self.drafts.light is not None:
            self.carried = memory.carried(self.drafts.light)

    def settle(self) -> None:
        """Nothing better is to come than the draft, and what it remembers."""
        if self.drafts.light is not None:
            self.drafts.final = self.drafts.light
            self._memories.setdefault(self.drafts.light, self.carried)

    def memory(self, lighting: Lighting) -> Memory | None:
        """What memory frames saw beside their lit pictures; made when it is first asked for."""
        if not self.remembers(lighting):
            stage("Comparing memory with the light")
            self._memories[lighting] = self.remembering.memory(lighting, self.frames)
        return self._memories.get(lighting)


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
        self._pyramids = Pyramids()
        self._bare = CompiledMaterial(UNASSIGNED, ())
        self._geometry: Geometry | None = None
        self._forest = Forest()
        self._shown: PreparedScene | None = None
        self._standing = Forest()
        self._refiner = Refiner()
        self._remembering = Remembering(quality)
        self._known: WeakValueDictionary[bytes, PreparedScene] = WeakValueDictionary()
        self._last: PreparedScene | None = None
        """Stays known, whoever else lets go of it."""

    def prepare(self, world: World) -> PreparedScene:
        """Geometry and materials of a world. Raises WorldError when nothing is in it."""
        scene = world.scene
        if scene is None or not scene.triangle_count():
            raise WorldError(
                "The world has no surfaces; add objects to the scene or capture memory frames."
            )
        # what is dragged differs in places alone: the rest is compared only where these agree
        places = b"".join(one.matrix.tobytes() for one in scene.instances)
        seen = self._known.get(places)
        rest = (world.revision, list(world.memory), self._remembering)
        if seen is not None and _same_but_viewpoints(seen.scene, scene):
            made = PreparedScene(scene, seen.matter, *rest, drafts=seen.drafts)
            made.whole = seen.whole if same_tree(seen.scene, scene) else None
        else:
            matter, timings = self._matter(scene)
            made = PreparedScene(scene, matter, *rest, timings=timings)
        self._known[places] = self._last = made
        return made

    def _matter(self, scene: Scene) -> tuple[Matter, dict[str, float]]:
        """And the milliseconds that it took."""
        began = time.perf_counter()
        self._geometry = Geometry.of(scene, self._geometry)
        placed = time.perf_counter()
        matter = Matter(self._geometry, self._materials(scene))
        timings = {"geometry": placed - began, "materials": time.perf_counter() - placed}
        return matter, {name: 1e3 * spent for name, spent in timings.items()}

    def _drafted(self, prepared: PreparedScene) -> Lighting:
        """The best light there is of a scene, and a better one on its way.

        What only moved is shown in the bounced light that was there before.
        """
        drafts = prepared.drafts
        if drafts.light is None:
            began = time.perf_counter()
            last = self._shown
            light = last.drafts.light if last is not None else None
            same = light is not None and _shine_alike(light.geometry.scene, prepared.scene)
            before = light.bounced if light is not None and same else None
            drafts.carries = before is not None
            drafts.light = Lighting.of(prepared.scene, prepared.matter, FIRST, self._forest, before)
            if last is not None:
                prepared.carry(last)
            prepared.timings["light"] = 1e3 * (time.perf_counter() - began)
        self._shown = prepared
        if not prepared.complete:
            self._refiner.better(partial(self._refine, prepared, drafts.carries))
        return drafts.light

    def _refine(self, prepared: PreparedScene, carries: bool, stop: Event) -> None:
        """In the refiner's thread. What fails leaves the draft as the last word."""
        try:
            self._make_final(prepared, carries, stop)
        except Stopped:
            raise
        except Exception:
            prepared.settle()
            self.on_refined()
            raise
        self.on_refined()

    def _make_final(self, prepared: PreparedScene, carries: bool, stop: Event) -> None:
        drafts = prepared.drafts
        draft = drafts.light
        assert draft is not None
        if drafts.final is None and carries:
            drafts.light = draft.refined(FIRST, stop)
            self.on_refined()
        final = drafts.final or draft.refined(self.quality, stop)
        prepared.memory(final)
        drafts.light = drafts.final = final

    def _whole(self, prepared: PreparedScene) -> Lighting:
        """The same light whatever was shown before."""
        if prepared.whole is None:
            stage("Gathering light")
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
                new = CompiledMaterial(material, scene.textures, scene.units, self._pyramids)
                kept = self._compiled[material] = _Compiled(new, scene.textures, scene.units)
            made.append(kept.material)
        return [*made, self._bare]

    def render(self, prepared: PreparedScene, request: FrameRequest) -> FrameReply:
        """One frame. The same world and request give the same bytes, but for drafts."""
        complete = prepared.complete
        lighting = self._drafted(prepared) if request.draft else self._whole(prepared)
        made, prepared.timings = prepared.timings, {}
        began = time.perf_counter()
        memory = _memory(prepared, request, lighting)
        remembered = 1e3 * (time.perf_counter() - began)
        lit, reply = self._picture(prepared, request, lighting, memory)
        timings = {**made, **reply.timings}
        if memory is not None:
            timings["memory"] += remembered
        reply = replace(reply, timings=timings, draft=request.draft and not complete)
        movers = Movers.seen(lighting.geometry, lit, request) if request.moves else None
        if movers is None:
            return exposed(focused(reply))
        began = time.perf_counter()
        still = self._without(lighting, movers)
        _, behind = self._picture(prepared, request, still, memory)
        reply = passed(focused(reply), focused(behind), movers)
        reply.timings["motion"] = 1e3 * (time.perf_counter() - began)
        return reply

    def _without(self, lighting: Lighting, movers: Movers) -> Lighting:
        """The same before a camera that does not see what moves."""
        geometry = lighting.geometry
        moving = np.flatnonzero(np.isin(geometry.owner, movers.instances))
        self._standing.see(geometry)
        rays = self._standing.rays(without(geometry, CAMERA, moving))
        self._standing.tidy()
        return replace(lighting, seen=rays)

    @staticmethod
    def _picture(
        prepared: PreparedScene, request: FrameRequest, lighting: Lighting, memory: Memory | None
    ) -> tuple[LitFrame, FrameReply]:
        """As a camera without a lens or a shutter sees it."""
        stage("Tracing the picture")
        began = time.perf_counter()
        lit = frame.render(lighting, request.camera, request.glance)
        met = lit.triangle >= 0
        timings = {"lit": 1e3 * (time.perf_counter() - began)}
        color, passes = lit.color, {"Confidence": np.zeros(met.shape, np.float32)}
        if memory is not None:
            began = time.perf_counter()
            corrected = memory.corrected(lit, request.camera)
            color = corrected.color
            passes = {"Confidence": corrected.confidence, "Memory": corrected.frame}
            timings["memory"] = 1e3 * (time.perf_counter() - began)
        reply = FrameReply(
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
                **passes,
            },
        )
        return lit, reply


def _memory(prepared: PreparedScene, request: FrameRequest, lighting: Lighting) -> Memory | None:
    """What is remembered in a frame, if anything is to be."""
    if request.mode == "anchors" or not request.references:
        return None
    return prepared.draft_memory() if request.draft else prepared.memory(lighting)


def _same_objects(one: Sequence[object], other: Sequence[object]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


def _same_but_viewpoints(one: Scene, other: Scene) -> bool:
    return same_tree(replace(one, viewpoints=()), replace(other, viewpoints=()))


def _shine_alike(one: Scene, other: Scene) -> bool:
    """Whether two scenes differ in where things stand at most, not in what shines."""
    return (
        one.background is other.background
        and same_tree(one.lamps, other.lamps)
        and _same_objects(one.materials, other.materials)
        and one.fog_density == other.fog_density
        and same_tree(one.fog_box, other.fog_box)
    )


def _preview(base: np.ndarray) -> np.ndarray:
    return np.rint(linear_to_srgb(base) * 255).astype(np.uint8)

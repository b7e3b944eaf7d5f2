# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of a scene: what a world is built from, read out of Blender at once or in time slices."""

from __future__ import annotations

import math
import time
import weakref
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

import bpy

from ..backend.shared.camera import Camera
from ..backend.shared.errors import WorldError, WorldFMError
from ..backend.shared.frame import MemoryFrame
from ..backend.shared.scene import Mesh, Scene
from .anchor_points import Points, are_native_splats, is_anchors, read_points
from .assembly import SceneSettings, assemble, read_settings
from .attributes import with_attributes
from .bakes import dressed, find
from .contents import Contents, Found, Kind, can_be_placed
from .deforming import deforms, is_animated
from .depsgraph_cache import DepsgraphCache, rays_that_meet
from .geometry import SURFACE_TYPES, Instance, Surface, instances, same_mesh
from .guides import render_guides
from .lamps import read_light
from .memory import is_kept, read_frame, read_frames
from .sampling import Guide
from .shader import Shader
from .sources import STRAND_TYPES, UNSHOWN, problems_of, read_surface, read_systems

_LOOKS = 32
"""Instances between two looks at the clock."""
_TYPES = SURFACE_TYPES | STRAND_TYPES | set(UNSHOWN) | {"LIGHT"}
_Source = tuple[Surface | Points | None, list[tuple[Surface, int]]]
"""What an object shows, and its hair with the material slot of each."""


@dataclass(frozen=True, eq=False)
class SceneCopy:
    """What a world is built from."""

    contents: Contents
    guides: list[Guide]
    memory: list[MemoryFrame]
    budget: int
    problems: tuple[str, ...]
    settings: SceneSettings

    def exact(self, wait: bool = True) -> tuple[Scene, list[str]]:
        """All that Blender knows of the scene, and a sentence for each thing that is left out.

        Takes its time: not for a draw. wait: see `Sky.background`.
        """
        places = tuple(guide.camera for guide in self.guides)
        contents = self.contents
        return assemble(contents.found, contents.scale_length, self.settings, places, wait)

    @property
    def waits(self) -> bool:
        """Whether its background is still being rendered: a grey one stands in for it."""
        return self.settings.sky.waits

    @property
    def unbaked(self) -> bool:
        """Whether Bake Materials would show something better."""
        return any(one.kind.unbaked for one in self.contents.found)

    @property
    def warnings(self) -> list[str]:
        """One sentence each, for the user."""
        return [*self.problems, *self.contents.sorted[2]]


@dataclass(eq=False)
class _Round:
    """A look at everything in a scene, spread over several calls. last: number and key."""

    found: list[Found] = field(default_factory=list)
    seen: set[tuple[int, int]] = field(default_factory=set)
    last: tuple[int, str] | None = None

    def rest(
        self, depsgraph: bpy.types.Depsgraph, local_view: bpy.types.SpaceView3D | None
    ) -> Iterator[Instance] | None:
        """What comes after `last`; None when that is no longer where it was."""
        if self.last is None:
            return instances(depsgraph, local_view, types=_TYPES)
        rest = instances(depsgraph, local_view, self.last[0], _TYPES)
        last = next(rest, None)
        return rest if last is not None and last[:2] == self.last else None


class Changes(NamedTuple):
    """Session ids of objects whose shape, and whose look, is another; looks: None = of any."""

    shapes: set[int]
    looks: set[int] | None

    @classmethod
    def of(cls, depsgraph: bpy.types.Depsgraph) -> Changes:
        """What a depsgraph has just been updated for."""
        shapes, touched, any_look = set(), set(), False
        for item in depsgraph.updates:
            if isinstance(item.id, bpy.types.Object):
                touched.add(item.id.original.session_uid)
                if item.is_updated_geometry:
                    shapes.add(item.id.original.session_uid)
            elif not isinstance(item.id, (bpy.types.Scene, bpy.types.Collection)):
                any_look = True
        return cls(shapes, None if any_look else touched)


class _Shown(NamedTuple):
    """What an object shows, of what materials, a sentence for what is wrong with its bake."""

    source: Surface | Points | None
    shaders: list[Shader]
    said: tuple[str, ...] = ()
    unbaked: bool = False


@dataclass(eq=False)
class SceneReader:
    """Reads a scene again and again. Only within Blender's own calls, and in one thread."""

    _sources: dict[tuple[int, int], _Source] = field(default_factory=dict)
    _kinds: dict[tuple[int, int], Kind] = field(default_factory=dict)
    _meshes: weakref.WeakValueDictionary[bytes, Mesh] = field(
        default_factory=weakref.WeakValueDictionary
    )
    _tried: set[str] = field(default_factory=set)
    _round: _Round | None = None

    def read(self, depsgraph: bpy.types.Depsgraph, current: Camera | None) -> SceneCopy:
        """A copy of what `depsgraph` shows and of the scene's memory; all is read anew.

        current: the camera of this picture.
        Raises WorldError when there is neither geometry nor memory.
        """
        self.forget_all()
        found = self._find_all(depsgraph)
        return _copy(depsgraph, current, found)

    def read_exact(
        self, depsgraph: bpy.types.Depsgraph, local_view: bpy.types.SpaceView3D | None = None
    ) -> tuple[Scene, list[str]]:
        """All that Blender knows of what `depsgraph` shows, and a sentence for what is left out.

        Meshes that are as they were are the same objects as before.
        """
        found, settings = self.read_found(depsgraph, local_view)
        scene = depsgraph.scene.original
        places = tuple(guide.camera for guide in render_guides(scene, [], None))
        scale_length = scene.unit_settings.scale_length
        return assemble(found, scale_length, settings, places)

    def read_found(
        self,
        depsgraph: bpy.types.Depsgraph,
        local_view: bpy.types.SpaceView3D | None = None,
        render_sky: bool = True,
    ) -> tuple[list[Found], SceneSettings]:
        """Everything that `depsgraph` shows, read anew, and what belongs to all of it."""
        self.forget_all()
        found = self._find_all(depsgraph, local_view)
        return found, read_settings(depsgraph, render_sky)

    def find_more(
        self, depsgraph: bpy.types.Depsgraph, seconds: float
    ) -> tuple[list[Found], SceneSettings] | None:
        """`read_found` in time slices as in `read_more`, without having the sky rendered."""
        found = self._find(depsgraph, seconds)
        return None if found is None else (found, read_settings(depsgraph, render_sky=False))

    def read_more(
        self,
        depsgraph: bpy.types.Depsgraph,
        current: Camera | None,
        seconds: float,
        local_view: bpy.types.SpaceView3D | None = None,
    ) -> SceneCopy | None:
        """`read` in short time slices: None until the last one; call it again until then.

        Spends about `seconds` of processor. What was read before and not named to `forget` or
        `forget_looks` since is taken to be the same. Nothing of Blender's is held on to between
        two calls, so that anything may change or go; what changed where this had looked already
        is found by the next round.
        local_view: leave out what this viewport does not show.
        """
        left = seconds - self._read_memory(depsgraph.scene.original, seconds)
        found = self._find(depsgraph, left, local_view) if left >= 0 else None
        return None if found is None else _copy(depsgraph, current, found)

    def _read_memory(self, scene: bpy.types.Scene, seconds: float) -> float:
        """Decode frames for about `seconds` of processor; what it took."""
        spent = 0.0
        for item in scene.worldfm.memory:
            if item.enabled and not is_kept(item) and item.id not in self._tried:
                began = time.thread_time()
                self._tried.add(item.id)
                with suppress(WorldFMError):  # said when the scene is read
                    read_frame(item)
                spent += time.thread_time() - began
                if spent > seconds:
                    break
        return spent

    def _find_all(
        self,
        depsgraph: bpy.types.Depsgraph,
        local_view: bpy.types.SpaceView3D | None = None,
    ) -> list[Found]:
        found = self._find(depsgraph, math.inf, local_view)
        assert found is not None, "it has all the time it needs"
        return found

    def _find(
        self,
        depsgraph: bpy.types.Depsgraph,
        seconds: float,
        local_view: bpy.types.SpaceView3D | None = None,
    ) -> list[Found] | None:
        """Everything with a surface; None when `seconds` were too few to look at all of it."""
        end = time.thread_time() + seconds
        cache = DepsgraphCache(depsgraph)
        this, self._round = self._round or _Round(), None
        rest = this.rest(depsgraph, local_view)
        if rest is None:
            this, rest = _Round(), instances(depsgraph, local_view, types=_TYPES)
        for count, one in enumerate(rest, 1):
            ob = one.object
            pointer = (ob.original.session_uid, ob.data.as_pointer())
            kind = self._kinds.get(pointer)
            known = kind is not None
            if kind is None:
                kind = self._kinds[pointer] = self._kind(ob, pointer, cache)
            this.seen.add(pointer)
            this.found += cache.found(one, kind)
            if (not known or count % _LOOKS == 0) and time.thread_time() > end:
                this.last, self._round = (one.number, one.key), this
                return None
        self._kinds = {k: v for k, v in self._kinds.items() if k in this.seen}
        self._sources = {k: v for k, v in self._sources.items() if k in this.seen}
        return this.found

    def _kind(self, ob: bpy.types.Object, pointer: tuple[int, int], cache: DepsgraphCache) -> Kind:
        visible = rays_that_meet(ob)
        if ob.type == "LIGHT":
            light = read_light(ob.data, cache.frame)
            return Kind(ob.name, light, [], [], visible, animated=is_animated(ob))
        if ob.type in UNSHOWN:
            return Kind(ob.name, None, [], [], problems=problems_of(ob))
        colors, shaders = cache.materials(ob)
        if pointer not in self._sources:
            self._sources[pointer] = self._source(ob, cache), self._hair(ob, cache)
        source, hair = self._sources[pointer]
        if ob.type in SURFACE_TYPES and isinstance(source, Surface):
            full = with_attributes(source, ob, shaders)
            source = source if full is source else self._known(full)
        shown = self._baked(ob, _Shown(source, shaders), cache)
        own = Kind(
            ob.name,
            shown.source,
            colors,
            shown.shaders,
            visible,
            ob.is_holdout,
            ob.is_shadow_catcher,
            tuple(ob.color),
            problems=(*problems_of(ob), *shown.said),
            deforms=deforms(ob),
            animated=is_animated(ob),
            unbaked=shown.unbaked,
        )
        strands = tuple(
            own._replace(
                source=strand,
                base_colors=[colors[slot]],
                shaders=[shaders[slot]],
                problems=(),
                unbaked=False,
            )
            for strand, slot in ((s, min(n, len(colors) - 1)) for s, n in hair)
        )
        return own._replace(hair=strands)

    def _baked(self, ob: bpy.types.Object, plain: _Shown, cache: DepsgraphCache) -> _Shown:
        """An object with what was baked of it, where that fits."""
        surface, shaders = plain.source, plain.shaders
        if ob.type not in SURFACE_TYPES or not isinstance(surface, Surface):
            return plain
        used = [shaders[min(max(slot, 0), len(shaders) - 1)] for slot in surface.slots]
        keys = {one.key for shader in used for one in shader.wanted}
        if not keys:
            return plain
        fit = find(ob.original, surface, keys, bends=deforms(ob))
        said = (fit.said,) if fit.said else ()
        if fit.item is None:
            return plain._replace(said=said, unbaked=True)
        shown = self._known(dressed(surface, fit.item))
        return _Shown(shown, cache.baked(ob, fit.item), said, unbaked=bool(said))

    def _source(self, ob: bpy.types.Object, cache: DepsgraphCache) -> Surface | Points | None:
        """What an object shows; the same one for equal ones."""
        shared = (ob.type, ob.data.as_pointer())
        if shared not in cache.sources:
            if is_anchors(ob) or are_native_splats(ob):
                return read_points(ob)
            source = read_surface(ob)
            cache.sources[shared] = None if source is None else self._known(source)
        return cache.sources[shared]

    def _hair(self, ob: bpy.types.Object, cache: DepsgraphCache) -> list[tuple[Surface, int]]:
        """Of an object's particle systems, and the material slot of each."""
        return [(self._known(hair), slot) for hair, slot in read_systems(ob, cache.render)]

    def _known(self, surface: Surface) -> Surface:
        """The same with the mesh that was read before, if it is still in use and equal."""
        before = self._meshes.get(surface.digest)
        if before is not None and same_mesh(before, surface.mesh):
            return Surface(before, surface.digest)
        self._meshes[surface.digest] = surface.mesh
        return surface

    def forget(self, session_uids: set[int]) -> None:
        """The surfaces of these objects have changed."""
        self.forget_looks(session_uids)
        self._sources = {k: v for k, v in self._sources.items() if k[0] not in session_uids}

    def forget_looks(self, session_uids: set[int] | None = None) -> None:
        """The materials of these objects have changed, or of any."""
        gone = {uid for uid, _ in self._kinds} if session_uids is None else session_uids
        self._kinds = {k: v for k, v in self._kinds.items() if k[0] not in gone}

    def start_over(self) -> None:
        """Look at everything again in the next slice, also where this had looked already."""
        self._round = None

    def forget_all(self) -> None:
        """Anything may have changed."""
        self._sources.clear()
        self._kinds.clear()
        self._round = None


def _copy(depsgraph: bpy.types.Depsgraph, current: Camera | None, found: list[Found]) -> SceneCopy:
    scene = depsgraph.scene.original
    memory, problems = read_frames(scene, depsgraph.mode == "RENDER")
    guides = render_guides(scene, [frame.camera for frame in memory], current)
    contents = Contents(found, scene.unit_settings.scale_length)
    if not memory and not any(can_be_placed(one) for one in found):
        raise WorldError(
            "There is nothing to look at: the scene has no visible geometry and no memory; "
            "add objects, or capture memory in the WorldFM tab of the sidebar."
        )
    budget = scene.worldfm.point_budget
    settings = read_settings(depsgraph)
    return SceneCopy(contents, guides, memory, budget, tuple(problems), settings)

# SPDX-License-Identifier: GPL-3.0-or-later
"""What memory frames keep of their scene, read out of Blender while their pictures are rendered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import bpy

from ..backend.shared.moment import MOST_INSTANCES, Moment
from ..backend.shared.scene import Mesh, Scene
from .assembly import SceneSettings, assemble
from .contents import Found
from .geometry import Surface
from .moments import Moments, encode_moment
from .scene_reader import SceneReader

_TOO_MANY_OBJECTS = (
    f"The scene has more than {MOST_INSTANCES} objects and instances, so memory frames cannot keep "
    "where they stood: capture again what you change."
)
_TOO_MANY = (
    "The shape of '{}' is too large to be kept with memory frames; what they saw of it is not "
    "shown once it has bent: capture it again then."
)


@dataclass(frozen=True, eq=False)
class SceneFound:
    """What was found of a scene at a moment; nothing of Blender's."""

    found: list[Found]
    scale_length: float
    settings: SceneSettings

    @classmethod
    def of(
        cls, reader: SceneReader, depsgraph: bpy.types.Depsgraph, render_sky: bool = True
    ) -> SceneFound:
        """Read at once. render_sky: have the background rendered where that takes Cycles."""
        found, settings = reader.read_found(depsgraph, render_sky=render_sky)
        return cls(found, depsgraph.scene.unit_settings.scale_length, settings)

    @classmethod
    def more(
        cls, reader: SceneReader, depsgraph: bpy.types.Depsgraph, seconds: float
    ) -> SceneFound | None:
        """Read in time slices of about `seconds` of processor: None until the last one."""
        found = reader.find_more(depsgraph, seconds)
        if found is None:
            return None
        return cls(found[0], depsgraph.scene.unit_settings.scale_length, found[1])

    @property
    def meshes(self) -> list[Mesh]:
        """Each once."""
        sources = (one.kind.source for one in self.found)
        return list({id(s): s.mesh for s in sources if isinstance(s, Surface)}.values())

    def scene(self, wait: bool) -> Scene:
        """wait: as in `Sky.background`."""
        return assemble(self.found, self.scale_length, self.settings, (), wait)[0]

    def moment(self) -> tuple[Moment | None, list[str]]:
        """It, None where it would be too large, and a sentence for what it lacks.

        Takes its time: not for a draw.
        """
        if len(self.found) > MOST_INSTANCES:
            return None, [_TOO_MANY_OBJECTS]
        sky = self.settings.sky
        unclear = sky.background()[1]
        scene, bending = self.scene(wait=True), self.deforming
        moment = Moment.of(scene, bending, sky_known=not unclear)
        lacking = {
            one.object
            for i, one in enumerate(scene.instances)
            if one.key in bending and moment.vertices_of(i) is None
        }
        return moment, [_TOO_MANY.format(name) for name in sorted(lacking)]

    @property
    def deforming(self) -> frozenset[str]:
        """Keys of what may bend."""
        return frozenset(one.key for one in self.found if one.kind.deforms)

    @property
    def animated(self) -> frozenset[str]:
        """Keys of what other frames may show otherwise."""
        return frozenset(one.key for one in self.found if one.kind.deforms or one.kind.animated)


@dataclass(eq=False)
class MomentReader:
    """Reads the moments of one picture after the other, and what did not change once."""

    _reader: SceneReader = field(default_factory=SceneReader)
    _render: SceneFound | None = None
    _view: SceneFound | None = None

    @contextmanager
    def watching(self, depsgraph: bpy.types.Depsgraph) -> Iterator[None]:
        """While a picture of a scene is rendered. depsgraph: of its viewports."""
        self._view, self._render = SceneFound.of(self._reader, depsgraph), None
        listeners = bpy.app.handlers.frame_change_post

        def listen(_scene: bpy.types.Scene, rendered: bpy.types.Depsgraph) -> None:
            # a render evaluates the scene for itself and tells these listeners of it
            if rendered.mode == "RENDER" and self._render is None:
                self._render = SceneFound.of(self._reader, rendered)

        listeners.append(listen)
        try:
            yield
        finally:
            listeners.remove(listen)

    def moments(self) -> Moments:
        """Of the picture that was rendered while it was `watching`."""
        made: list[bytes | None] = []
        problems: list[str] = []
        for found in (self._render, self._view):
            if found is None:
                made.append(None)
                continue
            moment, said = found.moment()
            made.append(None if moment is None else encode_moment(moment))
            problems += said
        self._render = self._view = None
        return Moments(made[0], made[1], tuple(dict.fromkeys(problems)))

# SPDX-License-Identifier: GPL-3.0-or-later
"""Capture Again: memory frames that no longer fit are rendered anew, from where they were."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass

import bpy
from bpy.app.translations import pgettext_iface as iface_
from bpy.props import BoolProperty, IntProperty

from .. import memory_states
from ..scene_sync.capture import Captured, Shot, captured_at, source_of
from ..scene_sync.memory import camera_of, frame_key, store_frame
from .capture_work import (
    CaptureSettings,
    can_capture_in_background,
    capture_here,
    capture_in_background,
)
from .reports import warn_once
from .steps import Step, StepOperator


@dataclass(frozen=True)
class _Again:
    """A frame to be captured anew. identity: of the one that it takes the place of."""

    identity: str
    engine: str
    shot: Shot


class WORLDFM_OT_recapture(StepOperator, bpy.types.Operator):
    """Render the chosen memory frame again, from its camera, as the scene is now"""

    bl_idname = "worldfm.recapture"
    bl_label = "Capture Again"
    bl_options = {"REGISTER", "UNDO"}

    every: BoolProperty(name="All", description="Every memory frame that was captured")
    stale: BoolProperty(name="Stale", description="Every memory frame that no longer fits")
    samples: IntProperty(name="Samples", default=64, min=1, max=4096)

    keeps = True
    stopped = "Stopped; the frames captured so far are kept."
    seconds = 0.05

    _outside = False

    @classmethod
    def description(
        cls, context: bpy.types.Context, properties: bpy.types.OperatorProperties
    ) -> str:
        """Of each of its buttons."""
        if properties.stale:
            return iface_("Render every memory frame again that no longer fits the scene")
        return iface_(cls.__doc__)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only with a frame that was captured."""
        cls.poll_message_set("Choose a memory frame that was captured from the scene")
        return any(captured_at(item) is not None for item in context.scene.worldfm.memory)

    @property
    def shares(self) -> bool:
        """Whether Blender can be used meanwhile: where another one renders."""
        return self._outside

    def steps(self, context: bpy.types.Context) -> Generator[Step]:
        """Each takes the place of its old picture."""
        scene, layer = context.scene.name, context.view_layer.name
        again = self._chosen(context)
        if not again:
            self.report({"INFO"}, "Every memory frame fits the scene; there is nothing to do.")
            return
        said: set[str] = set()
        done = 0
        yield Step(f"Rendering 1 of {len(again)} memory frames", 0.0)
        for engine in dict.fromkeys(one.engine for one in again):
            mine = [one for one in again if one.engine == engine]
            settings = CaptureSettings(engine, self.samples, 100, layer)
            self._outside = self.watched and can_capture_in_background(engine)
            render = capture_in_background if self._outside else capture_here
            pictures = render(bpy.data.scenes[scene], settings, [one.shot for one in mine])
            with closing(pictures):
                for picture in pictures:
                    if picture is None:  # still at it
                        yield Step(f"Rendering {done + 1} of {len(again)} memory frames")
                        continue
                    index, made = picture
                    warn_once(self, made.moments.problems, said)
                    _replace(bpy.data.scenes[scene], mine[index], made)
                    done += 1
                    yield Step(f"Captured {done} of {len(again)}", done / len(again))

    def _chosen(self, context: bpy.types.Context) -> list[_Again]:
        settings = context.scene.worldfm
        items = list(settings.memory)
        if self.stale:
            states = memory_states.find_out(context.scene, context.evaluated_depsgraph_get())
            items = [item for item in items if states[frame_key(item)].stale]
        elif not self.every:
            items = items[settings.memory_index : settings.memory_index + 1]
        chosen = []
        for item in items:
            at = captured_at(item)
            if at is not None:
                shot = Shot(item.name, at[1], camera_of(item))
                chosen.append(_Again(item.id, at[0], shot))
        return chosen


def _replace(scene: bpy.types.Scene, again: _Again, made: Captured) -> None:
    """Put a new picture where the old one is in the list, or at its end when that is gone."""
    memory = scene.worldfm.memory
    old = next((i for i, item in enumerate(memory) if item.id == again.identity), None)
    count = len(memory)
    enabled = old is None or memory[old].enabled
    item = store_frame(scene, again.shot.name, *made)
    item.source = source_of(again.engine, again.shot.frame)
    if len(memory) > count and old is not None:
        item.enabled = enabled
        memory.move(count, old)
        memory.remove(old + 1)
        scene.worldfm.memory_index = old


CLASSES = (WORLDFM_OT_recapture,)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Playblast: the camera's path as a quick film, with the viewport's settings."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import bpy
from bpy.props import IntProperty, StringProperty

from .. import runtime
from ..backend.client import BackendState
from ..backend.shared.errors import InputError
from ..backend.shared.frame import FrameReply, FrameRequest
from ..backend.shared.leftovers import temporary_folder
from ..scene_sync.cameras import render_camera, scene_camera
from ..viewport.target import sized
from .build_process import CommandRun
from .display_file import display_files
from .image_window import show_image
from .steps import Step, StepOperator

KEY = "playblast"


class WORLDFM_OT_playblast(StepOperator, bpy.types.Operator):
    """Make a small film of the camera's path with the viewport's quality, and show it"""

    bl_idname = "worldfm.playblast"
    bl_label = "Playblast"

    filepath: StringProperty(
        name="File", description="Film to write; empty = beside this file", subtype="FILE_PATH"
    )
    step: IntProperty(name="Every", description="Frames from one to the next", default=1, min=1)

    stopped = "Playblast stopped; the last film is as it was."

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """A path needs a camera."""
        cls.poll_message_set("The scene has no active camera")
        return context.scene.camera is not None

    def steps(self, context: bpy.types.Context) -> Generator[Step]:
        """One frame after the other, then the film."""
        scene = context.scene
        target = self._target()
        frame, subframe = scene.frame_current, scene.frame_subframe
        numbers = range(scene.frame_start, scene.frame_end + 1, self.step)
        with temporary_folder(KEY) as folder:
            try:
                with display_files(scene) as write:
                    for i, number in enumerate(numbers):
                        scene.frame_set(number)
                        reply = yield from self._frame(context)
                        write(reply, folder / f"{i:05d}.png")
                        yield Step(f"Frame {number} of {scene.frame_end}", (i + 1) / len(numbers))
            finally:
                scene.frame_set(frame, subframe=subframe)
                runtime.forget_view(KEY)
            rate = max(1, round(scene.render.fps / scene.render.fps_base / self.step))
            run = CommandRun(["film", str(folder), "-o", str(target), "--fps", str(rate)])
            try:
                while self.watched and run.running:
                    yield Step("Writing the film")
                run.result()
            finally:
                run.cancel()
        image = bpy.data.images.load(str(target), check_existing=True)
        image.reload()
        show_image(image)
        self.report({"INFO"}, f"The film is {target}.")

    def _target(self) -> Path:
        if self.filepath:
            target = Path(bpy.path.abspath(self.filepath)).with_suffix(".mp4")
        elif bpy.data.filepath:
            blend = Path(bpy.data.filepath)
            target = blend.with_name(f"{blend.stem} playblast.mp4")
        else:
            target = Path(bpy.app.tempdir) / "playblast.mp4"
        if not target.parent.is_dir():
            raise InputError(f"The folder '{target.parent}' does not exist; choose another.")
        return target

    def _frame(self, context: bpy.types.Context) -> Generator[Step, None, FrameReply]:
        scene, settings = context.scene, context.scene.worldfm
        client = runtime.running_client(scene)
        depsgraph = context.evaluated_depsgraph_get()
        viewer = scene_camera(scene).evaluated_get(depsgraph)
        camera = render_camera(viewer, scene, use_border=False)
        source = runtime.source(KEY)
        copy = source.reader.read(depsgraph, camera)
        while client.lights is None and client.state is not BackendState.FAILED:
            yield Step(f"Frame {scene.frame_current}: {client.status_text}")
        world = source.builder.build(copy, bool(client.lights))
        client.set_world(KEY, world.revision, world.anchors, world.memory, world.scene)
        request = FrameRequest(
            sized(camera, settings.preview_size),
            settings.preview_steps,
            settings.seed,
            settings.references,
            settings.preview_mode,
        )
        ticket = client.request(KEY, request)
        try:
            while self.watched and not ticket.wait(0):
                yield Step(f"Frame {scene.frame_current}: {client.status_text}")
            return ticket.result()
        except GeneratorExit:
            ticket.cancel()
            raise


CLASSES = (WORLDFM_OT_playblast,)

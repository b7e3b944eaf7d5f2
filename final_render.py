# SPDX-License-Identifier: GPL-3.0-or-later
"""F12, Ctrl-F12 and the command line: one view layer of one frame, with its passes."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field, replace

import bpy
from bpy.app.translations import pgettext_iface as iface_

from . import display, file_version, history, runtime
from .backend.client import BackendState, Ticket
from .backend.shared.errors import CameraError, Cancelled
from .backend.shared.frame import FrameReply, FrameRequest
from .scene_sync.cameras import lens_focus, render_camera, scene_camera
from .scene_sync.shutter import shutter

_POLL_SECONDS = 0.05


@dataclass(eq=False)
class _Job:
    """What is known of the animation being rendered, to foretell its end."""

    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=8))
    """Of the latest frames."""
    warned: set[str] = field(default_factory=set)
    held_up: float = 0.0
    """Seconds of the present frame that went into starting the backend: no other frame's."""

    def remaining(self, scene: bpy.types.Scene) -> str:
        """Time to the last frame as m:ss, or "" before the first is done."""
        if not self.seconds:
            return ""
        left = max(0, (scene.frame_end - scene.frame_current) // scene.frame_step) + 1
        seconds = round(sum(self.seconds) / len(self.seconds) * left)
        return f" | Remaining {seconds // 60}:{seconds % 60:02d}"


_job = _Job()


def begin_job() -> None:
    """A new still or animation starts."""
    global _job
    _job = _Job()


def render(engine: bpy.types.RenderEngine, depsgraph: bpy.types.Depsgraph) -> None:
    """Render and hand over one view layer.

    Raises WorldFMError with a sentence for the user; nothing was handed over then.
    """
    began = time.monotonic()
    exposure = shutter(engine, depsgraph)
    scene = depsgraph.scene_eval
    layer = depsgraph.view_layer.name
    # scene.camera is the original here: it stands where it stood when the render began
    viewer = (engine.camera_override or scene_camera(scene)).evaluated_get(depsgraph)
    camera = render_camera(viewer, scene)
    if scene.render.use_multiview:
        raise CameraError(
            "WorldFM renders one eye only; turn off Stereoscopy in the Output properties."
        )
    settings = scene.worldfm
    chosen = (settings.steps, settings.seed, settings.references)
    aperture, focus = lens_focus(viewer, scene)
    request = FrameRequest(
        camera,
        *chosen,
        aperture=aperture,
        focus=focus,
        opened=exposure.opened,
        closed=exposure.closed,
    )

    client = runtime.running_client(scene)
    key = f"render/{scene.name_full}/{layer}"
    engine.update_stats("", "WorldFM | Reading the scene")
    source = runtime.source(key)
    whole = render_camera(viewer, scene, use_border=False)
    copy = source.reader.read(depsgraph, whole)
    for warning in (file_version.warning(scene), *copy.warnings):
        _warn(engine, warning)
    try:
        world = source.builder.build(copy, _lights(engine, scene))
        for problem in source.builder.problems:
            _warn(engine, problem)
        client.set_world(key, world.revision, world.anchors, world.memory, world.scene)
        request = replace(request, moves=exposure.moves(world.scene))
        reply = _wait(engine, client.request(key, request), scene)
    except Cancelled:
        _hand_over_nothing(engine, layer, camera.width, camera.height)
        return
    _hand_over(engine, layer, reply, scene.unit_settings.scale_length)
    runtime.note_frame(reply, world, final=True)
    seconds = time.monotonic() - began
    _job.seconds.append(max(0.0, seconds - _job.held_up))
    _job.held_up = 0.0
    history.note(scene.name, scene.frame_current, reply, seconds)


def _warn(engine: bpy.types.RenderEngine, sentence: str) -> None:
    """Report a warning, once for a whole animation."""
    if sentence and sentence not in _job.warned:
        _job.warned.add(sentence)
        engine.report({"WARNING"}, sentence)


def _lights(engine: bpy.types.RenderEngine, scene: bpy.types.Scene) -> bool:
    """Whether the backend lights surfaces; waits until it says so.

    One that fails says why when it is asked for the frame. Raises Cancelled on Esc.
    """
    client = runtime.client()
    while client.lights is None and client.state is not BackendState.FAILED:
        _job.held_up += _POLL_SECONDS
        if engine.test_break():
            raise Cancelled("The render was cancelled.")
        engine.update_stats("", f"WorldFM | Frame {scene.frame_current} | {client.status_text}")
        time.sleep(_POLL_SECONDS)
    return bool(client.lights)


def _wait(engine: bpy.types.RenderEngine, ticket: Ticket, scene: bpy.types.Scene) -> FrameReply:
    client = runtime.client()
    remaining = _job.remaining(scene)
    shown = ""
    while not ticket.wait(_POLL_SECONDS):
        if client.state is not BackendState.READY:
            _job.held_up += _POLL_SECONDS
        if engine.test_break():
            ticket.cancel()
            raise Cancelled("The render was cancelled.")
        ready = client.state is BackendState.READY
        doing = iface_(ticket.stage if ready else client.status_text)
        text = f"WorldFM | Frame {scene.frame_current}{remaining} | {doing}"
        if text != shown:
            engine.update_stats("", text)
            shown = text
        if client.progress is not None:
            engine.update_progress(client.progress)
    return ticket.result()


def _hand_over(
    engine: bpy.types.RenderEngine, layer: str, reply: FrameReply, metres_per_unit: float
) -> None:
    height, width = reply.depth.shape
    result = engine.begin_result(0, 0, width, height, layer=layer)
    passes = display.render_passes(reply, metres_per_unit)
    for render_pass in result.layers[0].passes:
        values = passes.get(render_pass.name)
        if values is not None:
            render_pass.rect.foreach_set(values)
    about = reply.request.metadata(reply.model_name, reply.model_hash, reply.world_revision)
    for name, value in about.items():
        engine.get_result().stamp_data_add_field(f"worldfm.{name}", value)
    engine.end_result(result)
    engine.update_progress(1.0)


def _hand_over_nothing(engine: bpy.types.RenderEngine, layer: str, width: int, height: int) -> None:
    """An untouched result: Blender throws it away when the user pressed Esc, and needs it."""
    engine.end_result(engine.begin_result(0, 0, width, height, layer=layer))

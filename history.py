# SPDX-License-Identifier: GPL-3.0-or-later
"""Remembers how frames were rendered, in the scene they belong to.

Renders run in a thread where Blender's data may not be changed: they leave a note here, and a
timer writes it down. Notes hold words, numbers and a compressed picture, never a frame: a long
render leaves many.
"""

from __future__ import annotations

import json
import time
from collections import deque
from dataclasses import dataclass

import bpy

from .backend.shared.frame import FrameReply
from .scene_sync.snapshots import (
    Snapshot,
    drop_pictures,
    pack_snapshot,
    shrink_snapshot,
    snapshot,
)

MOST = 100
WHOLE = 24
"""Newest renders whose pictures are kept whole; of older ones the thumbnail is."""
_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Note:
    """One rendered frame."""

    scene: str
    frame: int
    seed: int
    steps: int
    references: int
    revision: str
    model: str
    seconds: float
    when: str
    size: tuple[int, int]
    camera: str
    picture: Snapshot


listening = False
"""Whether somebody reads what is noted: there is a window."""

_notes: deque[Note] = deque(maxlen=MOST)


def note(scene: str, frame: int, reply: FrameReply, seconds: float) -> None:
    """A frame was rendered. Any thread; without a window nobody would read it."""
    if not listening:
        return
    request = reply.request
    _notes.append(
        Note(
            scene,
            frame,
            request.seed,
            request.steps,
            request.references,
            f"{reply.world_revision:012x}",
            f"{reply.model_name} {reply.model_hash}".strip(),
            seconds,
            time.strftime("%Y-%m-%d %H:%M:%S"),
            (request.camera.width, request.camera.height),
            json.dumps(request.camera.to_json()),
            snapshot(reply.rgb, reply.depth),
        )
    )


def write_down() -> float:
    """Put the notes into their scenes, newest first. Blender's main thread only."""
    while _notes:
        made = _notes.popleft()
        scene = bpy.data.scenes.get(made.scene)
        if scene is not None:
            _write(scene.worldfm, made)
    return _POLL_SECONDS


def _write(settings: bpy.types.PropertyGroup, made: Note) -> None:
    history = settings.history
    item = history.add()
    item.name = f"Frame {made.frame}, seed {made.seed}"
    item.frame, item.seed, item.steps = made.frame, made.seed, made.steps
    item.references, item.revision, item.model = made.references, made.revision, made.model
    item.when, item.seconds = made.when, made.seconds
    item.size, item.camera_json = made.size, made.camera
    pack_snapshot(item, made.picture)
    history.move(len(history) - 1, 0)
    while len(history) > MOST:
        drop_pictures(history[-1])
        history.remove(len(history) - 1)
    if len(history) > WHOLE:
        shrink_snapshot(history[WHOLE])
    if settings.history_index > 0:  # an earlier one is chosen, and stays so
        settings.history_index = min(settings.history_index + 1, len(history) - 1)


def attach() -> None:
    """Start writing notes down; without a window there is nobody to read them."""
    global listening
    listening = not bpy.app.background
    if listening:
        bpy.app.timers.register(write_down, first_interval=_POLL_SECONDS, persistent=True)


def detach() -> None:
    """Stop."""
    if bpy.app.timers.is_registered(write_down):
        bpy.app.timers.unregister(write_down)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Remembers how frames were rendered, in the scene they belong to.

Renders run in a thread where Blender's data may not be changed: they leave a note here, and a
timer writes it down. Notes hold words and numbers, never a frame: a long render leaves many.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

import bpy

from .backend.shared.frame import FrameReply

MOST = 100
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


_notes: deque[Note] = deque(maxlen=MOST)


def note(scene: str, frame: int, reply: FrameReply, seconds: float) -> None:
    """A frame was rendered. Any thread; without a window nobody would read it."""
    if bpy.app.background:
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
    history.move(len(history) - 1, 0)
    while len(history) > MOST:
        history.remove(len(history) - 1)
    if settings.history_index > 0:  # an earlier one is chosen, and stays so
        settings.history_index = min(settings.history_index + 1, len(history) - 1)


def attach() -> None:
    """Start writing notes down; without a window there is nobody to read them."""
    if not bpy.app.background:
        bpy.app.timers.register(write_down, first_interval=_POLL_SECONDS, persistent=True)


def detach() -> None:
    """Stop."""
    if bpy.app.timers.is_registered(write_down):
        bpy.app.timers.unregister(write_down)

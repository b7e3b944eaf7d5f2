# SPDX-License-Identifier: GPL-3.0-or-later
"""Which memory frames still fit the scene, found out beside the user's work while a list shows it.

The scene is read in small helpings once it has been left alone for a moment, and compared in a
thread. Nothing is kept in the file: undo and load only have it found out anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import bpy

from .redraw import redraw
from .scene_sync.capture import captured_at
from .scene_sync.fitting import UNKNOWN, Now, State, state_of
from .scene_sync.memory import FrameKey, frame_key, moment_reader
from .scene_sync.moment_reader import SceneFound
from .scene_sync.scene_reader import Changes, SceneReader
from .worker import Worker

_REST = 0.5
"""Seconds without a change before the scene is read."""
_IDLE, _BUSY = 0.5, 0.02
_HELPING = 0.004
"""Seconds of processor of one helping, about."""
_LARGE = 2_000_000
"""Vertices of a scene that is not kept to be compared with what changes next."""


@dataclass(eq=False)
class _Watch:
    """What is known of one scene."""

    reader: SceneReader = field(default_factory=SceneReader)
    states: dict[FrameKey, State] = field(default_factory=dict)
    scene: int = 0
    shown: bool = False
    """A list was drawn since this was last found out."""
    dirty: bool = True
    changed: float = 0.0
    judging: bool = False


_watch = _Watch()
_worker = Worker("WorldFM states")


def known(scene: bpy.types.Scene, item: bpy.types.PropertyGroup) -> State | None:
    """The state of a memory frame for a list that is drawn; None: it is being found out."""
    if scene.session_uid != _watch.scene:
        forget()
        _watch.scene = scene.session_uid
    _watch.shown = True
    state = _watch.states.get(frame_key(item))
    _watch.dirty |= state is None
    if not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=_IDLE, persistent=True)
    return state


def note_changes(depsgraph: bpy.types.Depsgraph | None = None) -> None:
    """Something in the scene changed; without a depsgraph all of it may have."""
    if depsgraph is None or not _watch.shown:
        _watch.reader.forget_all()
    else:
        changes = Changes.of(depsgraph)
        _watch.reader.forget(changes.shapes)
        _watch.reader.forget_looks(changes.looks)
    _watch.dirty, _watch.changed = True, time.monotonic()


def forget() -> None:
    """Another scene or file is shown."""
    global _watch
    _watch = _Watch()


def stop() -> None:
    """The extension goes."""
    forget()
    _worker.stop()
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)


def find_out(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> dict[FrameKey, State]:
    """The states of all memory frames at once, for what cannot wait."""
    found = SceneFound.of(SceneReader(), depsgraph, render_sky=False)
    return _judge(scene, depsgraph, found)()


def _tick() -> float | None:
    if not (_watch.shown and _watch.dirty) or _watch.judging:
        return _IDLE
    if time.monotonic() - _watch.changed < _REST:
        return _IDLE / 2
    # timers have no window of their own
    place = next(iter(bpy.context.window_manager.windows), bpy.context)
    scene, depsgraph = place.scene, place.view_layer.depsgraph
    if scene.session_uid != _watch.scene or depsgraph is None:
        return _IDLE
    found = SceneFound.more(_watch.reader, depsgraph, _HELPING)
    if found is None:
        return _BUSY
    watch = _watch
    watch.dirty, watch.shown, watch.judging = False, False, True
    judge = _judge(scene, depsgraph, found)

    def judged() -> None:
        try:
            watch.states = judge()
        finally:
            watch.judging = False

    if sum(len(mesh.vertices) for mesh in found.meshes) > _LARGE:
        watch.reader.forget_all()
    _worker.do(judged)
    bpy.app.timers.register(_show, first_interval=_BUSY)
    return _IDLE


def _show() -> float | None:
    if _watch.judging:
        return _BUSY
    redraw()
    return None


def _judge(
    scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph, found: SceneFound
) -> Callable[[], dict[FrameKey, State]]:
    """What finds out the states in any thread, of a scene as it is now."""
    items = [
        (frame_key(item), moment_reader(item), captured_at(item)) for item in scene.worldfm.memory
    ]
    frame, world = scene.frame_current, scene.world
    tree = None if world is None else world.node_tree
    moving = any(one is not None and one.animation_data is not None for one in (world, tree))
    objects = frozenset(ob.name_full for ob in scene.objects)

    def judge() -> dict[FrameKey, State]:
        if all(read is None for _, read, _ in items):
            return dict.fromkeys((key for key, _, _ in items), UNKNOWN)
        now = Now.of(found, frame, moving, objects)
        states = {}
        for key, read, at in items:
            seen = None if read is None else read()
            if seen is None:
                states[key] = UNKNOWN
            else:
                states[key] = state_of(now, *seen, None if at is None else at[1])
        return states

    return judge

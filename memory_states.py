# SPDX-License-Identifier: GPL-3.0-or-later
"""Which memory frames still fit the scene, found out beside the user's work while a list shows it.

The scene is read in short time slices once it has been left alone for a moment, and compared in a
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
"""Seconds of processor of one slice, about."""
_LARGE = 2_000_000
"""Vertices of a scene that is not kept to be compared with what changes next."""


@dataclass(eq=False)
class _Watch:
    """What is known of one scene."""

    reader: SceneReader = field(default_factory=SceneReader)
    states: dict[FrameKey, State] = field(default_factory=dict)
    shown: bool = False
    """A list was drawn since this was last found out."""
    dirty: bool = True
    changed: float = 0.0
    judging: bool = False


_watches: dict[int, _Watch] = {}
"""By the session ids of scenes."""
_worker = Worker("WorldFM states")


def known(scene: bpy.types.Scene, item: bpy.types.PropertyGroup) -> State | None:
    """The state of a memory frame for a list that is drawn; None: it is being found out."""
    watch = _watches.setdefault(scene.session_uid, _Watch())
    watch.shown = True
    state = watch.states.get(frame_key(item))
    watch.dirty |= state is None
    if not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=_IDLE, persistent=True)
    return state


def note_changes(depsgraph: bpy.types.Depsgraph | None = None) -> None:
    """Something in the scene changed; without a depsgraph all of it may have."""
    changes = None
    for watch in _watches.values():
        if depsgraph is None or not watch.shown:
            watch.reader.forget_all()
        else:
            changes = changes or Changes.of(depsgraph)
            watch.reader.forget(changes.shapes)
            watch.reader.forget_looks(changes.looks)
        watch.reader.start_over()
        watch.dirty, watch.changed = True, time.monotonic()


def forget() -> None:
    """Another file is shown."""
    _watches.clear()


def stop() -> None:
    """The extension goes."""
    forget()
    _worker.stop()
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)


def find_out(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> dict[FrameKey, State]:
    """The states of all memory frames at once, for what cannot wait."""
    watch, keys = _watches.get(scene.session_uid), [frame_key(i) for i in scene.worldfm.memory]
    if watch is not None and not (watch.dirty or watch.judging) and watch.states.keys() >= {*keys}:
        return watch.states
    found = SceneFound.of(SceneReader(), depsgraph, render_sky=False)
    return _judge(scene, found)()


def _tick() -> float:
    # timers have no window of their own
    windows = list(bpy.context.window_manager.windows) or [bpy.context]
    places = {window.scene.session_uid: window for window in reversed(windows)}
    return min(_found_out(p.scene, p.view_layer.depsgraph) for p in places.values())


def _found_out(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph | None) -> float:
    """Go on with a scene where that is wanted; seconds until the next time."""
    watch = _watches.get(scene.session_uid)
    if watch is None or depsgraph is None or not (watch.shown and watch.dirty) or watch.judging:
        return _IDLE
    if time.monotonic() - watch.changed < _REST:
        return _IDLE / 2
    found = SceneFound.more(watch.reader, depsgraph, _HELPING)
    if found is None:
        return _BUSY
    watch.dirty, watch.shown, watch.judging = False, False, True
    judge = _judge(scene, found)

    def judged() -> None:
        try:
            watch.states = judge()
        finally:
            watch.judging = False

    def show() -> float | None:
        if watch.judging:
            return _BUSY
        redraw()
        return None

    if sum(len(mesh.vertices) for mesh in found.meshes) > _LARGE:
        watch.reader.forget_all()
    _worker.do(judged)
    bpy.app.timers.register(show, first_interval=_BUSY)
    return _IDLE


def _judge(scene: bpy.types.Scene, found: SceneFound) -> Callable[[], dict[FrameKey, State]]:
    """What finds out the states in any thread, of a scene as it is now."""
    items = [
        (frame_key(item), moment_reader(item), captured_at(item)) for item in scene.worldfm.memory
    ]
    frame, world = scene.frame_current, scene.world
    tree = None if world is None else world.node_tree
    moving = any(one is not None and one.animation_data is not None for one in (world, tree))
    objects = frozenset(ob.name_full for ob in scene.objects)
    rendered = frozenset(ob.name_full for ob in scene.objects if not ob.hide_render)

    def judge() -> dict[FrameKey, State]:
        if all(read is None for _, read, _ in items):
            return dict.fromkeys((key for key, _, _ in items), UNKNOWN)
        now = Now.of(found, frame, moving, objects, rendered)
        states = {}
        for key, read, at in items:
            seen = None if read is None else read()
            if seen is None:
                states[key] = UNKNOWN
            else:
                states[key] = state_of(now, *seen, None if at is None else at[1])
        return states

    return judge

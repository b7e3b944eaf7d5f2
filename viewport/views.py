# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendered shading: streams frames of what each 3D viewport looks at.

Blender calls `update` when the scene changes and `draw` when a viewport is drawn. Both only look
and ask: scenes become worlds in a thread of their own, frames come from the backend, and a timer
has the viewport drawn again when either has something new. A viewport that shows what it wants
costs nothing.
"""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass, field, replace

import bpy

from .. import runtime
from ..backend.client import BackendState, LaunchSettings
from ..backend.shared.errors import WorldFMError
from ..backend.shared.frame import FrameReply, FrameRequest
from ..backend.shared.tree_codec import same_tree
from ..backend.shared.world import World
from ..next_step import can_start
from ..scene_sync.scene_reader import SceneCopy
from ..scene_sync.textures import forget_textures
from ..worker import Worker, take_turns_as_usual, take_turns_sooner
from .overlay import say, statistics
from .painter import GAP_POINTS, MAX_POINTS, SOME_POINTS, Painter, PointSample, Shown
from .target import (
    MOVING_SIDE,
    Target,
    fits,
    free_guides,
    looks_from,
    mostly_seen,
    moved,
    sized,
    target_of,
)

STILL_SECONDS = 0.25
TICK_SECONDS = 1 / 60
REBUILD_SECONDS = 1.0
"""Time between worlds that are made for a view while it moves."""
_LAUNCH_SECONDS = 1.0
"""Time between looks at the preferences and at the backend's files while frames are asked for."""
_WAITING_SECONDS = 0.5
"""Time between looks whether a backend that was not installed is by now."""
_READ_SECONDS = 0.004
"""Processor time of one draw that goes into reading a scene, about."""
_NEAR_ENOUGH = 0.1
_FAR_OFF = 0.5
"""Shares of the distance to what is nearest that a view may move before its anchors are too few:
at rest, and on its way."""


@dataclass(eq=False)
class View:
    """One 3D viewport in Rendered shading."""

    key: str
    painter: Painter = field(default_factory=Painter)
    target: Target | None = None
    moved: float = 0.0
    dirty: bool = True
    reading: bool = False
    bare: bool = False
    """Without sky: in local view."""
    copy: SceneCopy | None = None
    built_for: Target | None = None
    built_at: float = 0.0
    built_lit: bool = True
    built_before_sky: bool = False
    """While Cycles still rendered the background: a grey one stands in for it."""
    world: World | None = None
    dots: PointSample | None = None
    building: bool = False
    failure: str = ""
    problem: str = ""
    build_problem: str = ""
    refined: bool = False
    stuck: bool = False
    """Nothing can be shown as things are, such as in an orthographic view."""
    asked: FrameRequest | None = None
    asked_at: float = 0.0
    asked_revision: int = -1
    asked_refinement: int = -1
    launched: LaunchSettings | None = None
    launch_read: float = 0.0
    shown: FrameReply | None = None
    frame: Shown | None = None
    """The newest frame, made ready to be drawn."""
    preparing: bool = False
    asking: bool = False
    arrivals: list[float] = field(default_factory=list)
    latency: float = 0.0
    changes: int = -1

    @property
    def source(self) -> runtime.WorldSource:
        """What reads and builds this viewport's world."""
        return runtime.source(self.key)

    @property
    def lit(self) -> bool:
        """Whether its world is of surfaces, which look right from everywhere."""
        return self.built_lit and self.world is not None and self.world.scene is not None

    @property
    def sky_came(self) -> bool:
        """Whether the background is there that the world was built without."""
        return self.built_before_sky and not self.copy.surroundings.sky.waits


_views: dict[str, View] = {}
_frames, _worlds = Worker("WorldFM frames"), Worker("WorldFM worlds")


def update(
    engine: bpy.types.RenderEngine, context: bpy.types.Context, depsgraph: bpy.types.Depsgraph
) -> None:
    """The scene, the frame or a setting changed."""
    images = {i.id.name_full for i in depsgraph.updates if isinstance(i.id, bpy.types.Image)}
    forget_textures(images)
    touched, changed, looks = set(), set(), False
    for item in depsgraph.updates:
        if isinstance(item.id, bpy.types.Object):
            touched.add(item.id.original.session_uid)
            if item.is_updated_geometry:
                changed.add(item.id.original.session_uid)
        elif not isinstance(item.id, (bpy.types.Scene, bpy.types.Collection)):
            looks = True
    for view in _views.values():
        view.dirty, view.launch_read = True, 0.0
        reader = view.source.reader
        reader.forget(changed)
        reader.forget_looks(None if looks else touched)


def draw(
    engine: bpy.types.RenderEngine, context: bpy.types.Context, depsgraph: bpy.types.Depsgraph
) -> None:
    """Show the newest frame of this view, and ask for a better one where there is one."""
    key = f"view/{context.region.as_pointer()}"
    view = _views.setdefault(key, View(key))
    if not engine.has_drawn:  # nobody told of changes while another shading was on
        engine.has_drawn, view.dirty, view.launched, view.launch_read = True, True, None, 0.0
        view.source.reader.forget_all()
    view.stuck = True
    try:
        _draw(view, engine, context, depsgraph)
        view.stuck = False
    except WorldFMError as error:
        say(engine, context, str(error))
    except Exception as error:  # Blender goes on drawing whatever happens here
        if view.failure != repr(error):
            view.failure = repr(error)
            traceback.print_exc()
        say(engine, context, f"WorldFM failed ({error}); details are in the system console.")
    _keep_ticking()


def _draw(
    view: View,
    engine: bpy.types.RenderEngine,
    context: bpy.types.Context,
    depsgraph: bpy.types.Depsgraph,
) -> None:
    now = time.monotonic()
    target = target_of(context, depsgraph)
    if not target.same_view(view.target):
        view.moved, view.refined = now, False
    view.target, bare = target, context.space_data.local_view is not None
    if bare != view.bare:  # the frame at hand is to be made ready once more
        view.bare, view.frame, view.shown = bare, None, None
    settings = context.scene.worldfm
    still = now - view.moved > STILL_SECONDS
    _refresh_world(view, context, depsgraph, target, still)
    asked = True
    try:
        if view.world is not None:
            asked = _ask(view, context.scene, target, still, now)
        view.problem = ""
    except WorldFMError as error:  # the anchors can be shown all the same
        view.problem = str(error)
    view.refined = still and asked
    _prepare(view)
    _note_arrival(view, now)
    frame = view.frame if view.world is not None else None
    exact = frame is not None and looks_from(frame.reply, target)
    if not exact or not view.painter.is_warm:
        size = (context.region.width, context.region.height)
        dots = view.dots if view.world else None
        filled = frame is not None and mostly_seen(frame.reply.request.camera, target, frame.near)
        most = GAP_POINTS if filled else MAX_POINTS if frame is None else SOME_POINTS
        view.painter.guess(frame, dots, most, target.to_clip, size, target.far, target.rectangle)
    if exact:
        view.painter.frame(frame, *target.rectangle)
    say(engine, context, statistics(view, frame) if settings.show_statistics else "")


def _refresh_world(
    view: View,
    context: bpy.types.Context,
    depsgraph: bpy.types.Depsgraph,
    target: Target,
    still: bool,
) -> None:
    """Read the scene again when it has changed, and build its world in a thread.

    What is not at hand is read a little in each draw; the old world stays until all is.
    A view that only moved has its world built again of what was read before.
    """
    if view.building:
        return
    built, lit = view.built_for, runtime.client().lights is not False
    left_free = built is not None and built.free and not target.free and not view.lit
    if view.dirty or view.reading or left_free:
        space = context.space_data if context.space_data.local_view else None
        view.dirty &= view.reading  # what changes from now on is for another round
        view.copy, view.reading = None, True
        try:
            view.copy = view.source.reader.read_more(
                depsgraph, target.picture, _READ_SECONDS, space
            )
        except WorldFMError as error:
            view.reading, view.built_for, view.world = False, target, None
            view.build_problem = str(error)
            return
        if view.copy is None:
            return
        view.reading = False
    elif view.copy is None or not _outdated(view, target, still, lit):
        return
    view.built_for, view.built_at, view.built_lit = target, time.monotonic(), lit
    copy = view.copy
    view.built_before_sky = copy.surroundings.sky.waits
    if target.free:
        side, scale = context.scene.worldfm.preview_size, context.scene.unit_settings.scale_length
        copy = replace(copy, guides=free_guides(target.picture, side, scale))
    view.building, source = True, view.source
    _worlds.do(lambda: _build(view, source, copy, lit))


def _build(view: View, source: runtime.WorldSource, copy: SceneCopy, lit: bool) -> None:
    """In a thread: no bpy here."""
    try:
        world = source.builder.draft(copy) if lit else source.builder.build(copy)
        if _views.get(view.key) is not view:  # closed meanwhile
            return
        runtime.client().set_world(
            view.key, world.revision, world.anchors, world.memory, world.scene
        )
        if view.world is None or view.world.anchors is not world.anchors:
            view.dots = PointSample.of(world.anchors)
        view.world, view.build_problem = world, ""
    except Exception as error:  # shown in the viewport, as a thread has nobody to tell
        traceback.print_exc()
        view.build_problem = (
            f"WorldFM could not read this scene ({error}); details are in the system console."
        )
    finally:
        view.building = False


def _outdated(view: View, target: Target, still: bool, lit: bool) -> bool:
    """Whether what was read before is to be made a world once more."""
    if lit != view.built_lit or view.sky_came:
        return True
    return target.free and not view.lit and not _dense_enough(view, target, still)


def _dense_enough(view: View, target: Target, still: bool) -> bool:
    """Whether the anchors that were made for another free view will do for this one."""
    built = view.built_for
    if built is None or not built.free:
        return False
    near = view.frame.near if view.frame is not None else 1.0
    if still:
        return fits(built.picture, target.picture, _NEAR_ENOUGH * near)
    waited = time.monotonic() - view.built_at > REBUILD_SECONDS
    return not waited or moved(built.picture, target.picture) < _FAR_OFF * near


def _prepare(view: View) -> None:
    """Have the newest frame made ready in a thread: no pixels are touched while drawing."""
    newest = runtime.client().newest(view.key)
    ready = view.frame.reply if view.frame is not None else None
    if newest is None or newest is ready or view.preparing:
        return

    def prepare() -> None:
        try:
            bare = view.bare
            made = Shown.of(newest, bare)
            if bare == view.bare:
                view.frame = made
        finally:
            view.preparing = False

    view.preparing = True
    _frames.do(prepare)


def _ask(view: View, scene: bpy.types.Scene, target: Target, still: bool, now: float) -> bool:
    """Ask the backend for what is wanted now, unless it is what was asked for last.

    False when it is too early for another frame.
    """
    settings = scene.worldfm
    camera = sized(target.picture, settings.preview_size if still else str(MOVING_SIDE))
    steps = settings.preview_steps if still else 1
    request = FrameRequest(
        camera, steps, settings.seed, settings.references, settings.preview_mode, draft=True
    )
    revision, refinement = view.world.revision, runtime.client().refinements
    unchanged = (view.asked_revision, view.asked_refinement) == (revision, refinement)
    if unchanged and same_tree(view.asked, request):
        return True
    if now - view.asked_at < 1 / settings.fps_cap:
        return False
    _bring_up(view, settings.model, now)
    client = runtime.client()

    def ask() -> None:
        if _views.get(view.key) is view:  # else it was closed meanwhile
            client.preview(view.key, view.key, request)
        view.asking = view.asked is not request

    view.asked, view.asked_at, view.asked_revision, view.asking = request, now, revision, True
    _frames.do(ask)  # waking the client's thread would make this one wait
    return True


def _bring_up(view: View, model: str, now: float) -> None:
    """Start the backend where it is not, or is another than is wanted now."""
    client = runtime.client()
    down = client.state in {BackendState.FAILED, BackendState.STOPPED}
    if not down and now - view.launch_read < _LAUNCH_SECONDS:
        return
    launch = runtime.launch_settings(model)
    view.launch_read = now
    if not (down and launch == view.launched):
        client.start(launch)
        view.launched = launch


def _note_arrival(view: View, now: float) -> None:
    if view.frame is None or view.frame.reply is view.shown:
        return
    view.shown = view.frame.reply
    runtime.note_frame(view.shown)
    if view.shown.request is view.asked:
        view.latency = now - view.asked_at
    view.arrivals = [*(t for t in view.arrivals if now - t < 2.0), now]


def _keep_ticking() -> None:
    if not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=TICK_SECONDS, persistent=True)
        take_turns_sooner()


def _tick() -> float | None:
    """Draw again what has something new; ends when every viewport shows what it wants."""
    regions = _regions()
    for key in [key for key in _views if key not in regions]:
        forget(key)
    now, busy = time.monotonic(), False
    for key, view in _views.items():
        _prepare(view)
        if _something_new(view, now):
            regions[key].tag_redraw()
        busy |= _unsettled(view, now)
    if busy:
        return TICK_SECONDS
    take_turns_as_usual()
    return _WAITING_SECONDS if _waits_for_backend(regions) else None


def _waits_for_backend(regions: dict[str, bpy.types.Region]) -> bool:
    """Whether a viewport could not have a backend; it is drawn again once there can be one."""
    waiting = [key for key, view in _views.items() if view.problem]
    down = runtime.client().state in {BackendState.FAILED, BackendState.STOPPED}
    if waiting and down and can_start():
        for key in waiting:
            regions[key].tag_redraw()
    return bool(waiting) and down


def _regions() -> dict[str, bpy.types.Region]:
    """The viewports that are on screen in Rendered shading."""
    found = {}
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type != "VIEW_3D" or area.spaces.active.shading.type != "RENDERED":
                continue
            for region in area.regions:
                if region.type == "WINDOW":
                    found[f"view/{region.as_pointer()}"] = region
    return found


def _something_new(view: View, now: float) -> bool:
    client = runtime.client()
    if view.stuck:
        return False
    if client.changes != view.changes:
        view.changes = client.changes
        return True
    if view.frame is not None and view.frame.reply is not view.shown:
        return True
    if (view.dirty or view.reading or view.sky_came) and not view.building:
        return True
    return _world_is_new(view) or (not view.refined and now - view.moved > STILL_SECONDS)


def _world_is_new(view: View) -> bool:
    """Whether no frame of the present world was asked for, and one could be."""
    known = view.world is None or view.asked_revision == view.world.revision
    return not known and not view.problem


def _unsettled(view: View, now: float) -> bool:
    """Whether anything is still to come for this viewport."""
    client = runtime.client()
    return not view.stuck and (
        view.building
        or view.preparing
        or view.asking
        or client.newest(view.key) is not view.shown
        or view.dirty
        or view.reading
        or view.built_before_sky
        or (view.shown is not None and view.shown.draft)
        or client.waiting(view.key)
        or not view.refined
        or _world_is_new(view)
        or client.state in {BackendState.STARTING, BackendState.RESTARTING}
    )


def forget(key: str) -> None:
    """A viewport is gone."""
    view = _views.pop(key)
    view.painter.free()
    runtime.forget_view(view.key)


def forget_all() -> None:
    """Every viewport: another file was loaded, or the extension goes."""
    for key in list(_views):
        forget(key)
    _frames.stop()
    _worlds.stop()
    take_turns_as_usual()


def forget_meshes() -> None:
    """Undo or redo: Blender made everything anew, at places that may have been others' before."""
    for view in _views.values():
        view.dirty = True
        view.source.reader.forget_all()

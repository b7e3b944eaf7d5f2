# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendered shading: streams frames of what each 3D viewport looks at.

Blender calls `update` when the scene changes and `draw` when a viewport is drawn. Both only look
and ask: scenes become worlds in a thread of their own, frames come from the backend, and a timer
has the viewport drawn again when either has something new. A viewport that shows what it wants
costs nothing.
"""

from __future__ import annotations

import threading
import time
import traceback
from dataclasses import dataclass, field

import bpy
import numpy as np

from . import runtime
from .backend.client import BackendState, LaunchSettings
from .backend.shared.camera import Camera
from .backend.shared.errors import WorldFMError
from .backend.shared.frame import FrameReply, FrameRequest
from .scene_sync.cameras import render_camera, scene_camera, viewport_camera
from .scene_sync.textures import forget_textures
from .scene_sync.world import SceneCopy, SceneWorld
from .viewport_paint import Dots, Painter, picture_rectangle

STILL_SECONDS = 0.25
MOVING_SIDE = 192
TICK_SECONDS = 1 / 60
_MULTIPLE = 8
_MOVED = 0.25


@dataclass(frozen=True, eq=False)
class _Wish:
    """What a viewport wants to show. picture: the camera asked for at full size.

    rectangle: where it belongs in the region (x, y, width, height, y upwards).
    """

    picture: Camera
    region: Camera
    rectangle: tuple[float, float, float, float]
    free: bool
    to_clip: np.ndarray
    far: float

    def same_view(self, other: _Wish | None) -> bool:
        """Whether both look from one place through one lens."""
        return (
            other is not None
            and np.array_equal(self.picture.c2w, other.picture.c2w)
            and np.array_equal(self.picture.K, other.picture.K)
            and self.rectangle == other.rectangle
        )


@dataclass(eq=False)
class View:
    """One 3D viewport in Rendered shading."""

    key: str
    painter: Painter = field(default_factory=Painter)
    wish: _Wish | None = None
    engine: int = 0
    drawn: float = 0.0
    moved: float = 0.0
    dirty: bool = True
    built_for: Camera | None = None
    world: SceneWorld | None = None
    dots: Dots | None = None
    builder: threading.Thread | None = None
    failure: str = ""
    problem: str = ""
    build_problem: str = ""
    refined: bool = False
    stuck: bool = False
    """Nothing can be shown as things are, such as in an orthographic view."""
    asked: FrameRequest | None = None
    asked_at: float = 0.0
    asked_revision: int = -1
    launched: LaunchSettings | None = None
    shown: FrameReply | None = None
    arrivals: list[float] = field(default_factory=list)
    latency: float = 0.0
    changes: int = -1

    @property
    def source(self) -> runtime.WorldSource:
        """What reads and builds this viewport's world."""
        return runtime.source(self.key)


_views: dict[str, View] = {}


def update(
    engine: bpy.types.RenderEngine, context: bpy.types.Context, depsgraph: bpy.types.Depsgraph
) -> None:
    """The scene, the frame or a setting changed."""
    changed = {
        item.id.original.session_uid
        for item in depsgraph.updates
        if isinstance(item.id, bpy.types.Object) and item.is_updated_geometry
    }
    if any(isinstance(item.id, bpy.types.Image) for item in depsgraph.updates):
        forget_textures()
    for view in _views.values():
        view.dirty = True
        view.source.reader.forget(changed)


def draw(
    engine: bpy.types.RenderEngine, context: bpy.types.Context, depsgraph: bpy.types.Depsgraph
) -> None:
    """Show the newest frame of this view, and ask for a better one where there is one."""
    key = f"view/{context.region.as_pointer()}"
    view = _views.setdefault(key, View(key))
    if view.engine != engine.as_pointer():
        view.engine, view.launched = engine.as_pointer(), None
    view.drawn, view.stuck = time.monotonic(), True
    try:
        _draw(view, engine, context, depsgraph)
        view.stuck = False
    except WorldFMError as error:
        engine.update_stats("", str(error))
    except Exception as error:  # Blender goes on drawing whatever happens here
        if view.failure != repr(error):
            view.failure = repr(error)
            traceback.print_exc()
        engine.update_stats("", f"WorldFM failed ({error}); details are in the system console.")
    _keep_ticking()


def _draw(
    view: View,
    engine: bpy.types.RenderEngine,
    context: bpy.types.Context,
    depsgraph: bpy.types.Depsgraph,
) -> None:
    now = time.monotonic()
    wish = _wish(context, depsgraph)
    if not wish.same_view(view.wish):
        view.moved, view.refined = now, False
    view.wish = wish
    settings = context.scene.worldfm
    still = now - view.moved > STILL_SECONDS
    _refresh_world(view, context, depsgraph, wish, still)
    try:
        if view.world is not None:
            _ask(view, context.scene, wish, still, now)
        view.problem = ""
    except WorldFMError as error:  # the anchors can be shown all the same
        view.problem = str(error)
    view.refined = still
    newest = runtime.client().newest(view.key)
    _note_arrival(view, newest, now)
    reply = newest if view.world is not None else None
    if reply is not None and _looks_from(reply, wish):
        view.painter.frame(reply, *wish.rectangle)
    else:
        size = (context.region.width, context.region.height)
        dots = view.dots if view.world else None
        view.painter.guess(reply, dots, wish.to_clip, size, wish.far, wish.rectangle)
    engine.update_stats("", _statistics(view, reply) if settings.show_statistics else "")


def _wish(context: bpy.types.Context, depsgraph: bpy.types.Depsgraph) -> _Wish:
    """What the viewport looks at. Raises CameraError when it cannot be rendered."""
    region, view3d, space = context.region, context.region_data, context.space_data
    scale = context.scene.unit_settings.scale_length
    window, matrix = view3d.window_matrix, view3d.view_matrix
    through = viewport_camera(window, matrix, region.width, region.height, scale)
    metres = np.diag([1 / scale, 1 / scale, 1 / scale, 1.0])
    to_clip = np.array(window, float) @ np.array(matrix, float) @ metres
    far = 0.9 * space.clip_end * scale
    if view3d.view_perspective != "CAMERA":
        whole = (0.0, 0.0, float(region.width), float(region.height))
        return _Wish(through, through, whole, True, to_clip, far)
    ob = space.camera if space.use_local_camera else scene_camera(context.scene)
    picture = render_camera(ob.evaluated_get(depsgraph), context.scene, use_border=False)
    far = 0.9 * ob.data.clip_end * scale
    rectangle = picture_rectangle(picture, through)
    return _Wish(picture, through, rectangle, False, to_clip, far)


def _looks_from(reply: FrameReply, wish: _Wish) -> bool:
    """Whether a frame shows exactly this view, at whatever size."""
    camera = reply.request.camera
    if not np.array_equal(camera.c2w, wish.picture.c2w):
        return False
    wanted = wish.picture.resized(camera.width, camera.height)
    return bool(np.allclose(camera.K, wanted.K, rtol=1e-9, atol=1e-6))


def _refresh_world(
    view: View,
    context: bpy.types.Context,
    depsgraph: bpy.types.Depsgraph,
    wish: _Wish,
    still: bool,
) -> None:
    """Read the scene again when it has changed, and build its world in a thread."""
    far_off = still and wish.free and _moved_far(view, wish.picture)
    if view.builder is not None or not (view.dirty or far_off):
        return
    space = context.space_data if context.space_data.local_view else None
    view.dirty, view.built_for = False, wish.picture
    try:
        copy = view.source.reader.read(
            depsgraph, wish.picture, free=wish.free, keep=True, local_view=space
        )
    except WorldFMError as error:
        view.world, view.build_problem = None, str(error)
        return
    builder = threading.Thread(target=_build, args=(view, copy), daemon=True)
    view.builder = builder
    builder.start()


def _build(view: View, copy: SceneCopy) -> None:
    """In a thread: no bpy here."""
    try:
        world = view.source.builder.build(copy)
        runtime.client().set_world(view.key, world.revision, world.anchors, world.memory)
        if view.world is None or view.world.anchors is not world.anchors:
            view.dots = Dots.of(world.anchors)
        view.world, view.build_problem = world, ""
    except Exception as error:  # shown in the viewport, as a thread has nobody to tell
        traceback.print_exc()
        view.build_problem = (
            f"WorldFM could not read this scene ({error}); details are in the system console."
        )
    finally:
        view.builder = None


def _moved_far(view: View, camera: Camera) -> bool:
    """Whether the anchors were made for a place so far off that their density is wrong here."""
    if view.built_for is None or view.shown is None:
        return False
    depth = view.shown.depth
    seen = depth[np.isfinite(depth) & (depth > 0)]
    near = float(np.quantile(seen, 0.1)) if seen.size else 1.0
    return float(np.linalg.norm(camera.position - view.built_for.position)) > _MOVED * near


def _ask(view: View, scene: bpy.types.Scene, wish: _Wish, still: bool, now: float) -> None:
    """Ask the backend for what is wanted now, unless it is what was asked for last."""
    settings = scene.worldfm
    if not still and now - view.asked_at < 1 / settings.fps_cap:
        return
    camera = _sized(wish.picture, settings.preview_size if still else str(MOVING_SIDE))
    steps = settings.preview_steps if still else 1
    request = FrameRequest(camera, steps, settings.seed, settings.references)
    revision = view.world.revision
    if view.asked_revision == revision and _same(view.asked, request):
        return
    client = runtime.client()
    launch = runtime.launch_settings(settings.model)
    down = client.state in {BackendState.FAILED, BackendState.STOPPED}
    if not (down and launch == view.launched):
        client.start(launch)
        view.launched = launch
    client.preview(view.key, view.key, request)
    view.asked, view.asked_at, view.asked_revision = request, now, revision


def _same(one: FrameRequest | None, other: FrameRequest) -> bool:
    return (
        one is not None
        and (one.steps, one.seed, one.references) == (other.steps, other.seed, other.references)
        and (one.camera.width, one.camera.height) == (other.camera.width, other.camera.height)
        and np.array_equal(one.camera.c2w, other.camera.c2w)
        and np.array_equal(one.camera.K, other.camera.K)
    )


def _sized(picture: Camera, side: str) -> Camera:
    """The picture at most `side` pixels long; whole when that is enough or side is FULL."""
    longest = max(picture.width, picture.height)
    if side == "FULL" or longest <= int(side):
        return picture
    scale = int(side) / longest
    width, height = (
        max(_MULTIPLE, round(length * scale / _MULTIPLE) * _MULTIPLE)
        for length in (picture.width, picture.height)
    )
    return picture.resized(width, height)


def _note_arrival(view: View, reply: FrameReply | None, now: float) -> None:
    if reply is None or reply is view.shown:
        return
    view.shown = reply
    runtime.note_frame(reply)
    if reply.request is view.asked:
        view.latency = now - view.asked_at
    view.arrivals = [*(t for t in view.arrivals if now - t < 2.0), now]


def _statistics(view: View, reply: FrameReply | None) -> str:
    """One line for the viewport's corner."""
    client = runtime.client()
    error = client.preview_error(view.key)
    problem = view.build_problem or view.problem or (str(error) if error else "")
    if problem:
        return problem
    if view.world is None:
        return "WorldFM | Reading the scene"
    if client.state is not BackendState.READY:
        return f"WorldFM | {client.status_text}"
    if reply is None:
        return "WorldFM | Waiting for the first frame"
    camera = reply.request.camera
    rate = len(view.arrivals) / 2.0
    stages = ", ".join(f"{name} {ms:.0f} ms" for name, ms in reply.timings.items())
    coverage = 100 * float(reply.coverage.mean())
    return (
        f"WorldFM | {camera.width} x {camera.height} | {rate:.1f} frames/s | "
        f"latency {1000 * view.latency:.0f} ms | coverage {coverage:.0f} % | {stages}"
    )


def _keep_ticking() -> None:
    if not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=TICK_SECONDS, persistent=True)


def _tick() -> float | None:
    """Draw again what has something new; ends when every viewport shows what it wants."""
    regions = _regions()
    for key in [key for key in _views if key not in regions]:
        forget(key)
    now, busy = time.monotonic(), False
    for key, view in _views.items():
        if _something_new(view, now):
            regions[key].tag_redraw()
        busy |= _unsettled(view, now)
    return TICK_SECONDS if busy else None


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
    if client.newest(view.key) is not view.shown:
        return True
    if view.dirty and view.builder is None:
        return True
    if view.world is not None and view.asked_revision != view.world.revision:
        return not view.problem
    return not view.refined and now - view.moved > STILL_SECONDS


def _unsettled(view: View, now: float) -> bool:
    """Whether anything is still to come for this viewport."""
    client = runtime.client()
    return not view.stuck and (
        view.builder is not None
        or view.dirty
        or client.waiting(view.key)
        or not view.refined
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


def forget_meshes() -> None:
    """Undo or redo: Blender made everything anew, at places that may have been others' before."""
    for view in _views.values():
        view.dirty = True
        view.source.reader.forget_all()

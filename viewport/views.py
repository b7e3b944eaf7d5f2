# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendered shading: streams frames of what each 3D viewport looks at.

Blender calls `update` when the scene changes and `draw` when a viewport is drawn. What a view
wants is decided in `state.py`; here Blender's calls become its events and its actions are done:
scenes become worlds in a thread of their own, frames come from the backend, and a timer has the
viewport drawn again when either has something new. A viewport that shows what it wants costs
nothing.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from queue import Empty, SimpleQueue
from typing import cast

import bpy
import numpy as np
from bpy.app.translations import pgettext_iface as iface_

from .. import runtime
from ..backend.client import BackendState
from ..backend.shared.camera import Camera
from ..backend.shared.errors import WorldFMError
from ..backend.shared.frame import FrameRequest
from ..next_step import can_start
from ..scene_sync.adapted import chosen_model
from ..scene_sync.cameras import (
    clipping,
    lens_focus,
    render_camera,
    scene_camera,
    viewport_camera,
)
from ..scene_sync.scene_reader import Changes, SceneCopy
from ..scene_sync.textures import forget_textures
from ..scene_sync.world import WorldBuilder
from ..worker import Worker, take_turns_as_usual, take_turns_sooner
from .actions import (
    Action,
    AskAround,
    AskFrame,
    Backend,
    BuildWorld,
    Draw,
    NoteFrame,
    PrepareAround,
    PrepareFrame,
    ReadLaunch,
    ReadScene,
    Redraw,
    Settings,
    StartBackend,
)
from .overlay import show_status
from .painter import Painter
from .shown import PointSample, Shown
from .state import ViewState
from .status_line import not_installed, status_line
from .surroundings import FACES, Surroundings
from .target import Target, picture_rectangle

TICK_SECONDS = 1 / 60
_WAITING_SECONDS = 0.5
"""Time between looks whether a backend that was not installed is by now."""
_READ_SECONDS = 0.004
"""Processor time of one draw that goes into reading a scene, about."""


@dataclass(eq=False)
class View:
    """One 3D viewport in Rendered shading.

    scene: name of what it shows. failure: the last exception it met, to print it once.
    """

    key: str
    scene: str = ""
    state: ViewState = field(default_factory=ViewState)
    painter: Painter = field(default_factory=Painter)
    failure: str = ""
    _news: SimpleQueue[Callable[[], None]] = field(default_factory=SimpleQueue)

    @property
    def source(self) -> runtime.WorldSource:
        """What reads and builds this viewport's world."""
        return runtime.source(self.key)

    @property
    def backend(self) -> Backend:
        """The client at this moment."""
        client = runtime.client()
        return Backend(
            client.state,
            client.lights,
            client.refinements,
            client.restarts,
            client.changes,
            client.newest(self.key),
            [client.newest(slot) for slot in self.slots],
            any(client.waiting(slot) for slot in (self.key, *self.slots)),
            client.launch,
        )

    @property
    def slots(self) -> list[str]:
        """Names by which the client knows the pictures of what lies around."""
        return [f"{self.key}/{number}" for number in range(FACES)]

    def post(self, event: Callable[..., None], *arguments: object) -> None:
        """From any thread: the state learns of it when this view is looked at next."""
        self._news.put(lambda: event(*arguments))

    def take_news(self) -> None:
        """In Blender's thread: what was posted happens now."""
        while True:
            try:
                event = self._news.get_nowait()
            except Empty:
                return
            event()


_views: dict[str, View] = {}
_frames, _worlds = Worker("WorldFM frames"), Worker("WorldFM worlds")


def update(depsgraph: bpy.types.Depsgraph) -> None:
    """The scene, the frame or a setting changed."""
    images = {i.id.name_full for i in depsgraph.updates if isinstance(i.id, bpy.types.Image)}
    forget_textures(images)
    changes = Changes.of(depsgraph)
    for view in _views.values():
        view.state.scene_changed()
        reader = view.source.reader
        reader.forget(changes.shapes)
        reader.forget_looks(changes.looks)


def draw(
    engine: bpy.types.RenderEngine, context: bpy.types.Context, depsgraph: bpy.types.Depsgraph
) -> None:
    """Show the newest frame of this view, and ask for a better one where there is one."""
    key = f"view/{context.region.as_pointer()}"
    view = _view_of(key, context.scene.name_full)
    view.take_news()
    if not engine.has_drawn:
        engine.has_drawn = True
        view.state.switched_on()
        view.source.reader.forget_all()
    whole = False
    try:
        _draw(view, engine, context, depsgraph)
        whole = True
    except WorldFMError as error:
        show_status(engine, context, str(error))
    except Exception as error:  # Blender goes on drawing whatever happens here
        if view.failure != repr(error):
            view.failure = repr(error)
            traceback.print_exc()
        show_status(
            engine, context, f"WorldFM failed ({error}); details are in the system console."
        )
    view.state.drawn(whole)
    _keep_ticking()


def _view_of(key: str, scene: str) -> View:
    """What is known of a viewport; nothing where it showed another scene before."""
    known = _views.get(key)
    if known is not None and known.scene != scene:
        forget(key)
        known = None
    if known is None:
        known = _views[key] = View(key, scene)
    return known


def _draw(
    view: View,
    engine: bpy.types.RenderEngine,
    context: bpy.types.Context,
    depsgraph: bpy.types.Depsgraph,
) -> None:
    state, target, now = view.state, target_of(context, depsgraph), time.monotonic()
    bare, settings = context.space_data.local_view is not None, settings_of(context.scene)
    _do(view, state.draw_begun(Draw(target, bare, settings, view.backend, now)), context, depsgraph)
    _do(view, state.wants(), context, depsgraph)
    painting, region = state.painting(), (context.region.width, context.region.height)
    if not painting.exact or not view.painter.is_warm_for(painting):
        view.painter.guess(painting, target.to_clip, region, target.far, target.rectangle)
    if painting.exact and painting.frame is not None:
        view.painter.frame(painting.frame, *target.rectangle)
    show_status(engine, context, _line(view, context.scene.worldfm.show_statistics))


def _line(view: View, statistics: bool) -> str:
    client = runtime.client()
    error = client.preview_error(view.key)
    if not can_start():
        return not_installed(runtime.named_python(), iface_)
    said = client.status_text, str(error or "")
    return status_line(view.state, view.backend, *said, statistics, iface_)


def settings_of(scene: bpy.types.Scene) -> Settings:
    """What the user chose for previews of a scene."""
    chosen = scene.worldfm
    return Settings(
        chosen_model(scene),
        chosen.preview_size,
        chosen.preview_steps,
        chosen.seed,
        chosen.references,
        chosen.preview_mode,
        chosen.fps_cap,
        scene.unit_settings.scale_length,
    )


def target_of(context: bpy.types.Context, depsgraph: bpy.types.Depsgraph) -> Target:
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
        return Target(through, through, whole, True, to_clip, far)
    ob = (space.camera if space.use_local_camera else None) or scene_camera(context.scene)
    viewer = ob.evaluated_get(depsgraph)
    picture = render_camera(viewer, context.scene, use_border=False)
    far = 0.9 * clipping(viewer)[1] * scale
    rectangle = picture_rectangle(picture, through)
    lens = lens_focus(viewer, context.scene)
    return Target(picture, through, rectangle, False, to_clip, far, lens)


def _do(
    view: View,
    actions: list[Action],
    context: bpy.types.Context,
    depsgraph: bpy.types.Depsgraph,
) -> None:
    """Within a draw: do what a view wants, and what follows from that."""
    todo = list(actions)
    while todo:
        match todo.pop(0):
            case ReadScene(picture):
                todo += _read(view, picture, context, depsgraph)
            case ReadLaunch(model):
                todo += _read_launch(view, model)
            case action:
                _do_anywhere(view, action)


def _do_anywhere(view: View, action: Action) -> None:
    """What needs nothing of a draw."""
    match action:
        case BuildWorld():
            _build(view, action)
        case StartBackend(launch):
            runtime.client().start(launch)
        case AskFrame(request, idle):
            _ask(view, request, idle)
        case AskAround(requests):
            _ask_around(view, requests)
        case PrepareFrame(reply, bare):
            _prepare(view, partial(Shown.of, reply, bare), bare, view.state.frame_prepared)
        case PrepareAround(replies, bare):
            make = partial(Surroundings.of, replies, bare)
            _prepare(view, make, bare, view.state.around_prepared)
        case NoteFrame(reply):
            runtime.note_frame(reply, view.state.world)


def _read(
    view: View, picture: Camera, context: bpy.types.Context, depsgraph: bpy.types.Depsgraph
) -> list[Action]:
    """What is not at hand is read a little in each draw."""
    space = context.space_data if context.space_data.local_view else None
    try:
        copy = view.source.reader.read_more(depsgraph, picture, _READ_SECONDS, space)
    except WorldFMError as error:
        view.state.scene_unreadable(str(error))
        return []
    return view.state.scene_read(copy)


def _read_launch(view: View, model: str) -> list[Action]:
    try:
        launch = runtime.launch_settings(model)
    except WorldFMError as error:
        return view.state.launch_impossible(str(error))
    return view.state.launch_read(launch)


def _build(view: View, wanted: BuildWorld) -> None:
    source = view.source
    copy = cast(SceneCopy, wanted.copy)
    if wanted.guides is not None:
        copy = replace(copy, guides=wanted.guides)

    def build() -> None:  # in a thread: no bpy here
        try:
            if wanted.lit:
                world = source.builder.draft(copy)
            else:
                world = source.builder.build(copy, shaded=wanted.shaded)
            if _views.get(view.key) is not view:  # closed meanwhile
                return
            runtime.client().set_world(
                view.key, world.revision, world.anchors, world.memory, world.scene
            )
            before, points = wanted.before, wanted.points
            if points is None or before is None or before.anchors is not world.anchors:
                points = PointSample.of(world.anchors)
            view.post(view.state.world_built, world, points)
            if wanted.waits and world.scene is not None:
                stand_in = PointSample.of(WorldBuilder().points(copy))
                view.post(view.state.points_made, world, stand_in)
        except Exception as error:  # shown in the viewport, as a thread has nobody to tell
            traceback.print_exc()
            sentence = (
                f"WorldFM could not read this scene ({error}); details are in the system console."
            )
            view.post(view.state.build_failed, sentence)

    _worlds.do(build)


def _ask(view: View, request: FrameRequest, idle: bool) -> None:
    client = runtime.client()

    def ask() -> None:
        if _views.get(view.key) is view:  # else it was closed meanwhile
            client.preview(view.key, view.key, request, idle)
        view.post(view.state.frame_asked, request)

    _frames.do(ask)  # waking the client's thread would make this one wait


def _ask_around(view: View, requests: Sequence[FrameRequest]) -> None:
    client = runtime.client()

    def ask() -> None:
        if _views.get(view.key) is view:
            for slot, request in zip(view.slots, requests, strict=True):
                client.preview(view.key, slot, request, idle=True)

    _frames.do(ask)


def _prepare(
    view: View, make: Callable[[], object], bare: bool, prepared: Callable[..., None]
) -> None:
    """No pixels are touched while drawing. prepared: the event that is told what was made."""

    def prepare() -> None:
        made = None
        try:
            made = make()
        finally:
            view.post(prepared, made, bare)

    _frames.do(prepare)


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
        view.take_news()
        backend = view.backend
        for action in view.state.ticked(backend, now):
            if isinstance(action, Redraw):
                regions[key].tag_redraw()
            else:
                _do_anywhere(view, action)
        busy |= view.state.unsettled(backend)
    if busy:
        return TICK_SECONDS
    take_turns_as_usual()
    return _WAITING_SECONDS if _waits_for_backend(regions) else None


def _waits_for_backend(regions: dict[str, bpy.types.Region]) -> bool:
    """Whether a viewport could not have a backend: it is drawn again once there can be one. One
    that failed may be started again elsewhere."""
    waiting = [key for key, view in _views.items() if view.state.problem and view.backend.down]
    if waiting and can_start():
        for key in waiting:
            regions[key].tag_redraw()
    failed = runtime.client().state is BackendState.FAILED
    return bool(waiting) or (failed and bool(_views))


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


def forget(key: str) -> None:
    """A viewport is gone."""
    view = _views.pop(key)
    view.painter.free()
    runtime.forget_view(view.key, view.slots)


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
        view.state.meshes_made_anew()
        view.source.reader.forget_all()

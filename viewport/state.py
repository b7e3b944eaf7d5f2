# SPDX-License-Identifier: GPL-3.0-or-later
"""What one 3D viewport in Rendered shading knows and wants next. No bpy, no threads, no clock.

Each method of `ViewState` that returns actions is an event: Blender draws the view or the scene
changed, something that was wanted has come. The actions (actions.py) say what is to be done about
it; whoever does one (views.py) tells how it went by the event that the action names. All of it
happens in one thread.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ..backend.client import BackendState, LaunchSettings
from ..backend.shared.frame import FrameReply, FrameRequest
from ..backend.shared.tree_codec import same_tree
from ..backend.shared.world import World
from .actions import (
    Action,
    AskAround,
    AskFrame,
    Backend,
    BuildWorld,
    Copy,
    Draw,
    NoteFrame,
    Painting,
    PrepareAround,
    PrepareFrame,
    ReadLaunch,
    ReadScene,
    Redraw,
    StartBackend,
)
from .built import Built
from .pace import Pace
from .shown import GAP_POINTS, MAX_POINTS, SOME_POINTS, PointSample, Shown
from .surroundings import SIDE, Around, Surroundings
from .target import (
    Target,
    free_guides,
    looks_from,
    mostly_seen,
    seconds_of,
    sharp,
)

STILL_SECONDS = 0.25
QUIET_SECONDS = 0.5
"""How long nothing else was asked for when a frame in the pixels of the screen is."""
DRAFT_SECONDS = 4.0
"""The same while light is still gathered, which such a frame would hold up."""
AROUND_SECONDS = 0.25
"""How long a frame has been on screen when what lies around is asked for."""
LAUNCH_SECONDS = 1.0
"""Time between looks at the preferences and at the backend's files while frames are asked for."""


class _Asked(NamedTuple):
    """What decides, beside the request, how a frame looks: ask again when any of it is new."""

    revision: int
    refinements: int
    restarts: int
    model: str

    def of_one_world(self, other: _Asked) -> bool:
        """Whether both are by one model, of one world."""
        return (self.revision, self.model) == (other.revision, other.model)


@dataclass(eq=False)
class ViewState:
    """One viewport. The fields are for reading; events change them.

    stuck: nothing can be shown as things are, such as through a lens that cannot be rendered.
    problem, build_problem: why there is no frame, or no world; "" = there is none.
    alone: no backend can be had as things are, and points stand in for its frames.
    moved: when it last did. copy, world, points, frame: what was read, built of it, sampled of its
    anchors, and made ready to be drawn. drawn_world: the one that was there when it was last drawn.
    undrawn: points came since.
    launched, starting: how this view had a backend started last, and whether that was in this draw.
    replaced: revision of surfaces that stored points took the place of.
    asked, shown: the last request, and the frame on screen. usual: the last request of the size
    that the user chose; sharp: what follows it, in the pixels of the screen, None = not yet.
    refined, due: whether nothing more is wanted of the view as it is, and else from when on.
    """

    draw: Draw | None = None
    moved: float = 0.0
    dirty: bool = True
    reading: bool = False
    bare: bool = False
    stuck: bool = False
    refined: bool = False
    due: float = 0.0
    copy: Copy | None = None
    building: bool = False
    built: Built = field(default_factory=Built)
    world: World | None = None
    drawn_world: World | None = None
    undrawn: bool = False
    points: PointSample | None = None
    problem: str = ""
    build_problem: str = ""
    alone: bool = False
    asking: bool = False
    asked: FrameRequest | None = None
    usual: FrameRequest | None = None
    sharp: FrameRequest | None = None
    asked_at: float = 0.0
    asked_under: _Asked | None = None
    launched: LaunchSettings | None = None
    starting: bool = False
    replaced: int | None = None
    launch_looked: float = 0.0
    preparing: bool = False
    around: Around = field(default_factory=Around)
    frame: Shown | None = None
    shown: FrameReply | None = None
    pace: Pace = field(default_factory=Pace)
    changes: int = -1

    @property
    def target(self) -> Target | None:
        """What it looked at when it was last drawn."""
        return self.draw.target if self.draw is not None else None

    @property
    def lit(self) -> bool:
        """Whether its world is of surfaces, which look right from everywhere."""
        return self.built.lit and self.world is not None and self.world.scene is not None

    @property
    def frame_is_elsewhere(self) -> bool:
        """Whether the frame at hand is of surfaces that points took the place of, as those of an
        import do with *Put Others Aside*."""
        return self.frame is not None and self.frame.reply.world_revision == self.replaced

    @property
    def sky_came(self) -> bool:
        """Whether the background is there that the world was built without."""
        return self.built.before_sky and self.copy is not None and not self.copy.waits

    # Events of Blender's

    def scene_changed(self) -> None:
        """Anything may be elsewhere than it was read, or the user chose something."""
        self.dirty, self.launch_looked = True, 0.0

    def switched_on(self) -> None:
        """Rendered shading begins, again perhaps: nobody told of changes while it was off."""
        self.scene_changed()
        self.launched = None

    def meshes_made_anew(self) -> None:
        """Undo or redo."""
        self.dirty = True

    def draw_begun(self, draw: Draw) -> list[Action]:
        """A draw begins. What is to be done before `wants` is asked."""
        if not draw.target.same_view(self.target):
            self.moved, self.refined = draw.now, False
        was_down = self.draw is not None and self.draw.backend.down
        if was_down and not draw.backend.down and not self.starting:
            self.asked_under = None  # what the last one left unanswered is asked of this one
        self.draw, self.starting = draw, False
        if draw.bare != self.bare:  # the frame at hand is to be made ready once more
            self.bare, self.frame, self.shown, self.around.made = draw.bare, None, None, None
        if self.building:
            return []
        if self.dirty or self.reading or self._left_free():
            self.dirty &= self.reading  # what changes from now on is for another round
            self.copy, self.reading = None, True
            return [ReadScene(draw.target.picture)]
        if self.copy is not None and self._outdated():
            return [self._build(self.copy)]
        return []

    def wants(self) -> list[Action]:
        """The same draw, after what `draw_begun` said was done: what to ask of the backend."""
        draw = self._draw
        self.problem, self.refined, self.due = "", self._still, self.moved + STILL_SECONDS
        actions = [*self._wants_around(), *self._wants_frame()] if self.world is not None else []
        return [*actions, *self._prepare(draw.backend), *self._note(draw.now)]

    def drawn(self, shown: bool) -> None:
        """The draw ended, with a picture or without."""
        self.stuck, self.drawn_world, self.undrawn = not shown, self.world, False

    def ticked(self, backend: Backend, now: float) -> list[Action]:
        """Some time went by."""
        actions = self._prepare(backend)
        return [*actions, Redraw()] if self._something_new(backend, now) else actions

    # Events that answer actions

    def scene_read(self, copy: Copy | None) -> list[Action]:
        """None: there is more to read, in another draw."""
        if copy is None:
            return []
        self.copy, self.reading = copy, False
        return [self._build(copy)]

    def scene_unreadable(self, sentence: str) -> None:
        """The scene cannot be a world as it is."""
        self.reading, self.world = False, None
        self.built = replace(self.built, target=self._draw.target)
        self.build_problem = sentence

    def world_built(self, world: World, points: PointSample) -> None:
        """The client knows it by now."""
        before = self.world
        if before is not None and world.scene is None and before.scene is not None:
            self.replaced = None if self.built.alone else before.revision
        self.building, self.world, self.points, self.build_problem = False, world, points, ""

    def points_made(self, world: World, points: PointSample) -> None:
        """What stands in for this world's surfaces until their first frame comes."""
        if self.world is world and self.frame is None:
            self.points, self.undrawn = points, True

    def build_failed(self, sentence: str) -> None:
        """The last world stays."""
        self.building, self.build_problem = False, sentence

    def launch_read(self, launch: LaunchSettings) -> list[Action]:
        """How a backend would be started now; one that failed is not started the same way again."""
        self.launch_looked, self.alone = self._draw.now, False
        backend = self._draw.backend
        failed = backend.launch if backend.state is BackendState.FAILED else None
        if backend.down and launch == self.launched and failed in (None, launch):
            return self._ask()
        self.launched, self.starting = launch, True
        return [StartBackend(launch), *self._ask()]

    def launch_impossible(self, sentence: str) -> list[Action]:
        """No backend can be started; anchors can be shown all the same."""
        self.problem, self.refined, self.alone = sentence, self._still, True
        if self.copy is None or self.building or self.built.alone:
            return []
        return [self._build(self.copy)]

    def frame_asked(self, request: FrameRequest) -> None:
        """The client has the request."""
        self.asking = self.asked is not request

    def frame_prepared(self, frame: Shown | None, bare: bool) -> None:
        """bare: as the action said; what was made for the other kind of view is dropped."""
        self.preparing = False
        if frame is not None and bare == self.bare:
            self.frame = frame

    def around_prepared(self, made: Surroundings | None, bare: bool) -> None:
        """As `frame_prepared`."""
        self.around.prepared(made if bare == self.bare else None)

    # What it looks like from outside

    def painting(self) -> Painting:
        """What the draw that began with `draw_begun` shows."""
        target = self._draw.target
        if self.world is None:
            return Painting(None, None, MAX_POINTS, False)
        frame = self.frame
        if frame is None or self.frame_is_elsewhere:
            return Painting(None, self.points, MAX_POINTS, False)
        filled = mostly_seen(frame.reply.request.camera, target, frame.near)
        most = GAP_POINTS if filled else SOME_POINTS
        exact = looks_from(frame.reply, target)
        if self.lit:
            return Painting(frame, None, most, exact, self.around.made)
        return Painting(frame, self.points, most, exact)

    def unsettled(self, backend: Backend) -> bool:
        """Whether anything is still to come."""
        return not self.stuck and (
            self.building
            or self.preparing
            or self.around.preparing
            or self.around.due < math.inf
            or self.asking
            or backend.newest is not self.shown
            or self.dirty
            or self.reading
            or self.built.before_sky
            or (self.shown is not None and self.shown.draft)
            or backend.waiting
            or not self.refined
            or self._world_is_new()
            or backend.state in {BackendState.STARTING, BackendState.RESTARTING}
        )

    # Decisions

    @property
    def _draw(self) -> Draw:
        assert self.draw is not None, "this event follows `draw_begun`"
        return self.draw

    @property
    def _still(self) -> bool:
        return self._draw.now - self.moved > STILL_SECONDS

    @property
    def _stands_alone(self) -> bool:
        """Whether points are all that can be seen."""
        return self.alone or self._draw.backend.state is BackendState.FAILED

    @property
    def _wants_lit(self) -> bool:
        return self._draw.backend.lights is not False and not self._stands_alone

    def _left_free(self) -> bool:
        """Whether it looks through a camera, and its anchors were made for another view."""
        return self.built.free and not self._draw.target.free and not self.lit

    def _outdated(self) -> bool:
        """Whether what was read before is to be made a world once more."""
        if (self._wants_lit, self._stands_alone) != (self.built.lit, self.built.alone):
            return True
        if self.sky_came:
            return True
        return self._draw.target.free and not self.lit and not self._dense_enough()

    def _dense_enough(self) -> bool:
        """Whether the anchors that were made for another free view will do for this one."""
        near = self.frame.near if self.frame is not None else 1.0
        draw = self._draw
        return self.built.dense_enough(draw.target.picture, near, self._still, draw.now)

    def _build(self, copy: Copy) -> Action:
        draw, target = self._draw, self._draw.target
        lit, alone = self._wants_lit, self._stands_alone
        self.building, self.built = True, Built(target, draw.now, lit, alone, copy.waits)
        guides = None
        if target.free:
            guides = free_guides(target.picture, draw.settings.size, draw.settings.scale_length)
        waits = lit and self.frame is None and draw.backend.state is not BackendState.READY
        return BuildWorld(copy, guides, lit, alone, self.world, self.points, waits)

    def _wants_frame(self) -> list[Action]:
        """Nothing where this is what was asked for last, or where it is too early for another."""
        draw = self._draw
        request = self._wanted()
        if self.asked_under == self._under() and same_tree(self.asked, request):
            return []
        if draw.now - self.asked_at < 1 / draw.settings.fps_cap:
            self.refined = False
            return []
        other = self.asked_under is not None and self.asked_under.model != draw.settings.model
        if draw.backend.down or other or draw.now - self.launch_looked >= LAUNCH_SECONDS:
            return [ReadLaunch(draw.settings.model)]
        return self._ask()

    def _ask(self) -> list[Action]:
        request = self._wanted()
        self.asked, self.asked_at, self.asked_under = request, self._draw.now, self._under()
        self.asking = True
        return [AskFrame(request, idle=request is self.sharp)]

    def _wanted(self) -> FrameRequest:
        """What a view at rest shows next is of the usual size, so that it comes soon; once that is
        there, what it has pixels for."""
        usual, now, before = self._request(), self._under(), self.asked_under
        known = before is not None and before.of_one_world(now)
        if not known or not same_tree(usual, self.usual):
            self.usual, self.sharp = usual, None
        if self.sharp is None and known and self._still:
            self.sharp = self._sharp_after(usual)
        return self.sharp or usual

    def _sharp_after(self, usual: FrameRequest) -> FrameRequest | None:
        shown, world = self.shown, self.world
        if shown is None or world is None or shown.world_revision != world.revision:
            return None
        if shown.request is not self.asked or not same_tree(shown.request, usual):
            return None  # on its way, or made smaller as memory ran out
        camera = sharp(self._draw.target, self.lit, usual.camera, seconds_of(shown))
        if camera is None:
            return None
        quiet = DRAFT_SECONDS if shown.draft else QUIET_SECONDS
        self.due = max(self.moved, self.asked_at) + quiet
        self.refined = self._draw.now >= self.due
        return replace(usual, camera=camera) if self.refined else None

    def _request(self, still: bool | None = None) -> FrameRequest:
        draw, still = self._draw, self._still if still is None else still
        target = draw.target
        return draw.settings.request(target.picture, still, self.pace.moving_side, target.lens)

    def _wants_around(self) -> list[Action]:
        """Once what is looked at is on screen. Orthographic views have no place to look from."""
        draw, shown, frame, around = self._draw, self.shown, self.frame, self.around
        picture, chosen, around.due = draw.target.picture, draw.settings, math.inf
        if not (self.lit and self._still) or picture.is_orthographic:
            return []
        if shown is None or frame is None or shown.request is not self.asked:
            return []
        under = (self._under(), chosen.mode, chosen.references)
        if shown.world_revision != self._under().revision or around.fits(
            under, picture, frame.near
        ):
            return []
        due = max(self.moved, self.pace.arrivals[-1]) + AROUND_SECONDS
        if draw.now < due:
            around.due = due
            return []
        return [AskAround(around.ask(under, chosen.request(picture, False, SIDE), picture))]

    def _under(self) -> _Asked:
        assert self.world is not None
        draw = self._draw
        backend = draw.backend
        return _Asked(
            self.world.revision, backend.refinements, backend.restarts, draw.settings.model
        )

    def _prepare(self, backend: Backend) -> list[Action]:
        around = self.around.arrived(backend.around)
        if around:
            self.around.preparing = True
            return [*self._prepare_frame(backend.newest), PrepareAround(around, self.bare)]
        return self._prepare_frame(backend.newest)

    def _prepare_frame(self, newest: FrameReply | None) -> list[Action]:
        ready = self.frame.reply if self.frame is not None else None
        if newest is None or newest is ready or self.preparing:
            return []
        self.preparing = True
        return [PrepareFrame(newest, self.bare)]

    def _note(self, now: float) -> list[Action]:
        """The frame at hand is drawn for the first time."""
        if self.frame is None or self.frame.reply is self.shown:
            return []
        self.shown = self.frame.reply
        self.refined &= self.sharp is not None  # look whether a sharp one is to follow
        if self.shown.request.glance:
            self.pace.learn_from(self.shown, self._request(still=False).camera)
        if self.shown.request is self.asked:
            self.pace.latency = now - self.asked_at
        self.pace.came(now)
        if self.lit and not self.shown.request.glance:
            self.around.due = now + AROUND_SECONDS
        return [NoteFrame(self.shown)]

    def _something_new(self, backend: Backend, now: float) -> bool:
        if self.stuck:
            return False
        if backend.changes != self.changes:
            self.changes = backend.changes
            return True
        if self.undrawn or (self.frame is not None and self.frame.reply is not self.shown):
            return True
        if (self.dirty or self.reading or self.sky_came) and not self.building:
            return True
        late = now > self.around.due or (not self.refined and now > self.due)
        return late or self._world_is_new()

    def _world_is_new(self) -> bool:
        """Whether no frame of the present world was asked for, and one could be; or its points
        were not drawn yet."""
        if self.world is None:
            return False
        if self.problem:
            return self.world is not self.drawn_world
        return self.asked_under is None or self.asked_under.revision != self.world.revision

# SPDX-License-Identifier: GPL-3.0-or-later
"""What a viewport's state (state.py) is told at a draw, and what it may want done. No bpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from ..backend.client import BackendState, LaunchSettings
from ..backend.shared.camera import Camera
from ..backend.shared.frame import FrameReply, FrameRequest
from ..backend.shared.world import World
from ..scene_sync.sampling import Guide
from .shown import PointSample, Shown
from .surroundings import Surroundings
from .target import Target, sized

_DOWN = {BackendState.FAILED, BackendState.STOPPED}


class Copy(Protocol):
    """What was read of a scene (`scene_sync.scene_reader.SceneCopy`)."""

    @property
    def waits(self) -> bool:
        """Whether its background is still being rendered."""


@dataclass(frozen=True)
class Settings:
    """What the user chose for previews. scale_length: metres per unit of the scene."""

    model: str
    size: str
    steps: int
    seed: int
    references: int
    mode: str
    fps_cap: float
    scale_length: float = 1.0

    def request(
        self,
        picture: Camera,
        still: bool,
        moving_side: int,
        lens: tuple[float, float] = (0.0, 1.0),
    ) -> FrameRequest:
        """For a view that stands still, or for one that moves, whose longest side is given.

        lens: its radius and the distance to what is sharp, metres.
        """
        camera = sized(picture, self.size)
        if not still:
            camera = sized(picture, str(min(moving_side, max(camera.width, camera.height))))
        steps = self.steps if still else 1
        chosen = (steps, self.seed, self.references, self.mode)
        aperture, focus = lens
        return FrameRequest(
            camera, *chosen, draft=True, glance=not still, aperture=aperture, focus=focus
        )


@dataclass(frozen=True, eq=False)
class Backend:
    """The backend's client at this moment, as far as one view is concerned.

    newest: as the client's method of this name. around: the same of each picture of what lies
    around. waiting: whether any of these is still to come. launch: how it was started last.
    """

    state: BackendState
    lights: bool | None = None
    refinements: int = 0
    restarts: int = 0
    changes: int = 0
    newest: FrameReply | None = None
    around: Sequence[FrameReply | None] = ()
    waiting: bool = False
    launch: LaunchSettings | None = None

    @property
    def down(self) -> bool:
        """Whether there is no process, nor one on its way."""
        return self.state in _DOWN


@dataclass(frozen=True, eq=False)
class Draw:
    """A draw begins. bare: without sky, in local view. now: seconds of a steady clock."""

    target: Target
    bare: bool
    settings: Settings
    backend: Backend
    now: float


class ReadScene(NamedTuple):
    """Read what is left of the scene, for this camera: `scene_read` or `scene_unreadable`."""

    picture: Camera


@dataclass(frozen=True, eq=False)
class BuildWorld:
    """Make a world of a copy, in a thread, and give it to the client: `world_built` or
    `build_failed`.

    guides: in place of the copy's own, None = leave those. lit: of surfaces where there are any.
    shaded: of points that are all there is to see. waits: no frame is to come soon, so points stand
    in for the surfaces meanwhile: `points_made`.
    before, points: the last world and a sample of its anchors, which serves as long as they do.
    """

    copy: Copy
    guides: list[Guide] | None
    lit: bool
    shaded: bool
    before: World | None
    points: PointSample | None
    waits: bool = False


class ReadLaunch(NamedTuple):
    """Find out how a backend would be started now: `launch_read` or `launch_impossible`."""

    model: str


class StartBackend(NamedTuple):
    """Start a backend, or replace the one that runs with other settings."""

    launch: LaunchSettings


class AskFrame(NamedTuple):
    """Ask the client for a preview, in a thread: `frame_asked`.

    idle: it gives way to whatever is asked for next.
    """

    request: FrameRequest
    idle: bool = False


class AskAround(NamedTuple):
    """Ask the client for pictures of what lies around, in a thread, for when it is idle."""

    requests: Sequence[FrameRequest]


class PrepareAround(NamedTuple):
    """Make what lies around ready to be drawn, in a thread: `around_prepared`, with None if that
    failed."""

    replies: Sequence[FrameReply]
    bare: bool


class PrepareFrame(NamedTuple):
    """Make a frame ready to be drawn, in a thread: `frame_prepared`, with None if it failed."""

    reply: FrameReply
    bare: bool


class NoteFrame(NamedTuple):
    """This frame is on screen from now on."""

    reply: FrameReply


class Redraw(NamedTuple):
    """Have the viewport drawn."""


Action = (
    ReadScene
    | BuildWorld
    | ReadLaunch
    | StartBackend
    | AskFrame
    | AskAround
    | PrepareAround
    | PrepareFrame
    | NoteFrame
    | Redraw
)


class Painting(NamedTuple):
    """What a viewport shows: a frame as it is, or moved, over what lies around or over so many of
    the points at most."""

    frame: Shown | None
    points: PointSample | None
    most: int
    exact: bool
    around: Surroundings | None = None

# SPDX-License-Identifier: GPL-3.0-or-later
"""A viewport without a window: Blender, the scene, the client and the clock are said, not had."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from tests.extension import extension_part

actions = extension_part("viewport.actions")
state = extension_part("viewport.state")
shown = extension_part("viewport.shown")
surroundings = extension_part("viewport.surroundings")
targets = extension_part("viewport.target")
client = extension_part("backend.client")
shared = {
    name: extension_part(f"backend.shared.{name}")
    for name in ("anchors", "camera", "frame", "world")
}
BackendState = client.BackendState


def free_view(x: float = 0.0, width: int = 384, height: int = 288):
    """What a viewport of its own camera looks at, x metres to the side."""
    camera = shared["camera"]
    c2w = camera.look_at(np.array([x, -4.0, 1.0]), np.array([x, 0.0, 0.0]))
    picture = camera.Camera(camera.intrinsics(1.0, width, height), c2w, width, height)
    whole = (0.0, 0.0, float(width), float(height))
    return targets.Target(picture, picture, whole, True, np.eye(4), 100.0)


def camera_view(x: float = 0.0):
    """The same through a camera of the scene."""
    return replace(free_view(x), free=False)


@dataclass(eq=False)
class Copy:
    """What was read of a scene: number it."""

    number: int
    waits: bool = False


def world(revision: int, lit: bool = True, memory: bool = True):
    """Of one point; with a scene where it is lit."""
    points = shared["anchors"].Anchors(
        np.zeros((1, 3), np.float32), np.ones((1, 3), np.uint8), np.ones(1, np.float32)
    )
    return shared["world"].World(
        points, ["a frame"] if memory else [], revision, scene="surfaces" if lit else None
    )


def reply(request, revision: int, draft: bool = False, depth: float = 4.0, ms: float = 120.0):
    """A grey answer, made in so many milliseconds."""
    size = (request.camera.height, request.camera.width)
    return shared["frame"].FrameReply(
        np.full((*size, 3), 0.5, np.float16),
        np.full(size, depth, np.float32),
        np.ones(size, np.float32),
        np.zeros((*size, 3), np.uint8),
        request,
        revision,
        "a model",
        "its hash",
        timings={"lit": ms, "light": 5000.0},
        draft=draft,
    )


@dataclass(eq=False, repr=False)
class Stage:
    """Plays Blender for one view: it draws when it is told to, and does what is wanted at once
    but for threads' work, which is kept in `open` until `finish`."""

    view: object = field(default_factory=state.ViewState)
    now: float = 100.0
    target: object = field(default_factory=free_view)
    bare: bool = False
    settings: object = field(
        default_factory=lambda: actions.Settings("embedded", "384", 2, 0, 4, "full", 30.0)
    )
    backend: object = field(default_factory=lambda: actions.Backend(BackendState.READY, True))
    copies: list = field(default_factory=lambda: [Copy(1)])
    """What reading gives, one a draw; None = there is more to read, a string = it cannot be."""
    launch: object = "as it is set"
    surrounded: bool = True
    """What lies around is there at once when it is asked for, and not told of."""
    done: list = field(default_factory=list)
    open: list = field(default_factory=list)

    def set(self, **facts) -> None:
        """The client says something new."""
        changes = self.backend.changes + 1
        self.backend = replace(self.backend, **{"changes": changes, **facts})

    def draw(self, after: float = 0.05) -> list[str]:
        """A draw, so many seconds later. The names of what was done."""
        self.now += after
        began = len(self.done)
        draw = actions.Draw(self.target, self.bare, self.settings, self.backend, self.now)
        self._do(self.view.draw_begun(draw))
        self._do(self.view.wants())
        self.view.drawn(True)
        return self.names(began)

    def tick(self, after: float = 1 / 60) -> list[str]:
        """The timer."""
        self.now += after
        began = len(self.done)
        self._do(self.view.ticked(self.backend, self.now))
        return self.names(began)

    def names(self, since: int = 0) -> list[str]:
        return [type(one).__name__ for one in self.done[since:]]

    def surround(self, depth: float = 4.0) -> None:
        """The six pictures that were asked for are there."""
        revision = self.view.world.revision
        answers = [reply(one, revision, depth=depth) for one in self.view.around.asked]
        self.backend = replace(self.backend, around=answers)

    def wants_no_tick(self) -> bool:
        return not self.view.unsettled(self.backend)

    def finish(self, kind: str, result=None) -> None:
        """The thread's work of this kind is done; result: the world, or the answer's depth."""
        wanted = next(one for one in self.open if type(one).__name__ == kind)
        self.open.remove(wanted)
        match kind:
            case "BuildWorld" if isinstance(result, str):
                self.view.build_failed(result)
            case "BuildWorld":
                self.view.world_built(result, shown.PointSample.of(result.anchors))
            case "AskFrame":
                self.view.frame_asked(wanted.request)
                self.set(waiting=True)
            case "PrepareAround":
                made = surroundings.Surroundings.of(wanted.replies, wanted.bare)
                self.view.around_prepared(made, wanted.bare)
            case "PrepareFrame":
                self.view.frame_prepared(shown.Shown.of(wanted.reply, wanted.bare), wanted.bare)

    def answer(self, draft: bool = False, ms: float = 120.0) -> None:
        """The backend's frame for what was asked last is there, and ready to be drawn."""
        if any(isinstance(one, actions.AskFrame) for one in self.open):
            self.finish("AskFrame")
        answered = reply(self.view.asked, self.view.world.revision, draft, ms=ms)
        self.set(newest=answered, waiting=False)
        self.tick()
        self.finish("PrepareFrame")

    def show(self, made=None) -> None:
        """From nothing to a frame on screen, at rest."""
        self.draw()
        self.finish("BuildWorld", made or world(1))
        self.draw(1.0)
        self.answer()
        self.draw()

    def _do(self, wanted: list) -> None:
        todo = list(wanted)
        while todo:
            one = todo.pop(0)
            if not (self.surrounded and type(one).__name__.endswith("Around")):
                self.done.append(one)
            match type(one).__name__:
                case "ReadScene":
                    copy = self.copies.pop(0) if len(self.copies) > 1 else self.copies[0]
                    if isinstance(copy, str):
                        self.view.scene_unreadable(copy)
                    else:
                        todo += self.view.scene_read(copy)
                case "ReadLaunch" if self.launch is None:
                    todo += self.view.launch_impossible("The backend is not installed.")
                case "ReadLaunch":
                    todo += self.view.launch_read(self.launch)
                case "AskAround" if self.surrounded:
                    self.surround()
                case "PrepareAround" if self.surrounded:
                    self.open.append(one)
                    self.finish("PrepareAround")
                case "BuildWorld" | "AskFrame" | "PrepareFrame" | "PrepareAround":
                    self.open.append(one)


@pytest.fixture
def stage() -> Stage:
    return Stage()

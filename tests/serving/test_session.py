# SPDX-License-Identifier: GPL-3.0-or-later
"""The queue, the mailboxes and the worker, with a tiny model and no sockets."""

from __future__ import annotations

import threading
import time

import pytest

from backend.client.snapshot import Snapshot
from backend.conditioning.threads import in_pieces
from backend.serving import session as session_module
from backend.serving.device_errors import is_device_lost, is_out_of_memory
from backend.serving.session import QueuedFrame, Session, fitted
from backend.serving.world_store import StoredWorld, WorldStore
from backend.shared.errors import OutOfMemoryError, WorldFMError
from backend.shared.messages import Broken, Notice, Progress, PutArray, Ready
from backend.shared.world import World
from tests.client.conftest import anchors, ask, until
from tests.client.tiny_backend import TinyPipeline


def stored(revision: int = 1) -> StoredWorld:
    snapshot, store = Snapshot("w", World(anchors(10, revision), [], revision)), WorldStore()
    for name in store.put(snapshot.manifest()):
        store.add(PutArray(name, snapshot.array(name)))
    world = store.get(snapshot.wire_key, revision)
    assert world is not None
    return world


class Answers:
    """A session and all that it said."""

    def __init__(self, load) -> None:
        self.events: list = []
        self.answers: list = []
        self.lost: list[WorldFMError] = []
        self.session = Session(load, self.events.append, self.lost.append, "/logs/backend.log")

    def submit(
        self,
        number: int,
        view: str | None = None,
        owner: str = "me",
        idle: bool = False,
        **size: int,
    ) -> None:
        def done(answer) -> None:
            self.answers.append((owner, view, number, answer))

        request = ask(number, **size)
        self.session.submit(QueuedFrame(owner, number, stored(), request, done, view, idle=idle))

    def numbers(self) -> list[int]:
        return [number for _, _, number, _ in self.answers]


def test_renders_and_previews_take_turns_and_the_newest_preview_wins() -> None:
    answers = Answers(lambda report: TinyPipeline())
    for number in range(4):
        answers.submit(number)
    for number in range(10, 15):
        answers.submit(number, view="a")
    answers.submit(20, view="b")
    answers.submit(30, view="a", owner="other")
    answers.session.start()
    until(lambda: len(answers.answers) == 7)
    assert answers.numbers() == [14, 0, 20, 1, 30, 2, 3]
    assert answers.session.close(5.0)


def test_what_a_client_leaves_behind_is_not_rendered() -> None:
    answers = Answers(lambda report: TinyPipeline())
    for number in range(3):
        answers.submit(number)
        answers.submit(number + 10, owner="gone")
        answers.submit(number + 20, view="a", owner="gone")
    answers.session.cancel("me", 1)
    answers.session.drop_owner("gone")
    answers.session.start()
    until(lambda: len(answers.answers) == 2)
    assert answers.session.close(5.0) and answers.numbers() == [0, 2]


class InPieces(TinyPipeline):
    """Frames 256 pixels wide take ten seconds, and can be given up at any time."""

    def render(self, world, request):
        if request.camera.width == 256 and request.seed not in self.quick:
            in_pieces(lambda part: time.sleep(0.02), 1000, piece=1)
        return super().render(world, request)

    def __init__(self) -> None:
        super().__init__()
        self.quick: set[int] = set()


@pytest.fixture
def in_work():
    """A session that makes an idle frame of the view "a", number 1, and its pipeline."""
    pipeline = InPieces()
    answers = Answers(lambda report: pipeline)
    answers.session.start()
    answers.submit(1, view="a", idle=True, width=256)
    until(lambda: answers.session.busy)
    yield answers, pipeline
    answers.session.drop_owner("me")
    assert answers.session.close(5.0)


def test_an_idle_frame_is_given_up_when_its_view_moves(in_work) -> None:
    answers, _ = in_work
    began = time.monotonic()
    answers.submit(2, view="a")
    until(lambda: answers.answers)
    assert time.monotonic() - began < 5.0
    answers.submit(3)
    until(lambda: len(answers.answers) == 2)
    assert answers.numbers() == [2, 3] and answers.session.busy is None


def test_an_idle_frame_gives_way_to_others_and_is_made_then(in_work) -> None:
    answers, pipeline = in_work
    answers.submit(2, view="b")
    answers.submit(3)
    pipeline.quick.add(1)
    until(lambda: len(answers.answers) == 3)
    assert sorted(answers.numbers()[:2]) == [2, 3] and answers.numbers()[2] == 1


def test_an_idle_frame_does_not_give_way_to_another(in_work) -> None:
    answers, _ = in_work
    answers.submit(2, view="b", idle=True)
    time.sleep(0.1)
    busy = answers.session.busy
    assert busy is not None and busy.job.id == 1 and not busy.job.stop.is_set()


def test_small_idle_frames_come_before_large_ones() -> None:
    answers = Answers(lambda report: TinyPipeline())
    for number, width in ((1, 256), (2, 64), (3, 64), (4, 512)):
        answers.submit(number, view=f"view {number}", idle=True, width=width)
    answers.session.start()
    until(lambda: len(answers.answers) == 4)
    assert answers.numbers() == [2, 3, 1, 4]
    assert answers.session.close(5.0)


def test_a_render_that_is_cancelled_is_given_up() -> None:
    answers = Answers(lambda report: InPieces())
    answers.session.start()
    answers.submit(1, width=256)
    until(lambda: answers.session.busy)
    answers.submit(2)
    answers.session.cancel("me", 1)
    until(lambda: answers.answers)
    assert answers.numbers() == [2]
    assert answers.session.close(5.0)


def test_out_of_memory_is_remembered_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = TinyPipeline(most_pixels=5000)
    answers = Answers(lambda report: pipeline)
    answers.session.start()
    answers.submit(1, view="a", width=256, height=256)
    until(lambda: len(answers.answers) == 1)
    assert answers.answers[0][3].rgb.shape == (64, 64, 3)
    told = [event.text for event in answers.events if "Previews are" in getattr(event, "text", "")]
    assert len(told) == 2 and "64 x 64" in told[-1]
    answers.submit(2, view="a", width=256, height=256)
    until(lambda: len(answers.answers) == 2)
    assert answers.answers[1][3].rgb.shape == (64, 64, 3)
    assert pipeline.rendered == 2  # not tried in full again
    answers.submit(3, width=256, height=256)
    until(lambda: len(answers.answers) == 3)
    assert isinstance(answers.answers[2][3], OutOfMemoryError)
    pipeline.most_pixels = float("inf")  # other programs were closed, a while ago
    monkeypatch.setattr(session_module, "SMALL_PREVIEWS_S", 0.0)
    answers.submit(4, view="a", width=256, height=256)
    until(lambda: len(answers.answers) == 4)
    assert answers.answers[3][3].rgb.shape == (256, 256, 3)
    assert answers.events[-1] == Notice("")
    assert answers.session.close(5.0)


def test_a_smaller_request_keeps_its_view() -> None:
    request = ask(1, 200, 100)
    assert fitted(request, 20000) is request
    smaller = fitted(request, 5000)
    assert (smaller.camera.width, smaller.camera.height, smaller.seed) == (100, 50, 1)
    assert smaller.camera.K[0, 0] == pytest.approx(request.camera.K[0, 0] / 2)


class Failing(TinyPipeline):
    """Raises what it was made with."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def render(self, world, request):
        raise self.error


def test_a_bug_is_told_and_the_next_frame_still_comes(caplog: pytest.LogCaptureFixture) -> None:
    answers = Answers(lambda report: Failing(ZeroDivisionError("by zero")))
    answers.session.start()
    answers.submit(1)
    answers.submit(2)
    until(lambda: len(answers.answers) == 2)
    text = str(answers.answers[0][3])
    assert (
        "(ZeroDivisionError: by zero); send /logs/backend.log to the" in text and not answers.lost
    )
    assert "Traceback" in caplog.text
    assert answers.session.close(5.0)


def test_a_lost_device_ends_the_process() -> None:
    torch = pytest.importorskip("torch")
    lost = torch.AcceleratorError("CUDA error: unspecified launch failure")
    assert is_device_lost(lost) and not is_out_of_memory(lost)
    assert is_out_of_memory(torch.OutOfMemoryError("x")) and not is_device_lost(MemoryError())
    assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"))
    assert not is_out_of_memory(RuntimeError("shapes differ"))
    answers = Answers(lambda report: Failing(lost))
    answers.session.start()
    answers.submit(1)
    until(lambda: answers.lost)
    assert str(answers.lost[0]) == (
        "The device stopped working (CUDA error: unspecified launch failure); update its driver, "
        "or choose another device in the preferences."
    )
    assert answers.session.close(5.0)


def test_a_missing_library_while_loading_is_told() -> None:
    def load(report):
        report(Progress("Loading PyTorch."))
        import torch_of_nowhere  # noqa: F401

    answers = Answers(load)
    answers.session.start()
    until(lambda: any(isinstance(event, Broken) for event in answers.events))
    assert isinstance(answers.events[0], Progress)
    broken = answers.events[-1]
    assert broken.code == "model" and "press Repair" in broken.message
    assert not any(isinstance(event, Ready) for event in answers.events)
    answers.submit(1)
    until(lambda: answers.answers)
    assert str(answers.answers[0][3]) == broken.message
    assert answers.session.close(5.0)


def test_close_does_not_wait_for_a_long_frame() -> None:
    answers = Answers(lambda report: TinyPipeline(seconds=2.0))
    answers.session.start()
    answers.submit(1)
    until(lambda: answers.session.busy)
    started = time.monotonic()
    assert not answers.session.close(0.1)
    assert time.monotonic() - started < 1.0
    worker = next(t for t in threading.enumerate() if t.name == "worldfm-model")
    worker.join(10.0)


class Nameless(TinyPipeline):
    """A model class that somebody changed and did not finish."""

    @property
    def name(self):
        raise AttributeError("no name")


def raising(error: BaseException):
    def load(report):
        raise error

    return load


@pytest.mark.parametrize(
    ("load", "fault"),
    [
        (raising(ZeroDivisionError("by\nzero")), "(ZeroDivisionError: by)"),
        (raising(SystemExit()), "(SystemExit: no reason given)"),
        (lambda report: Nameless(), "(AttributeError: no name)"),
    ],
)
def test_a_bug_while_loading_is_told_with_the_logs_place(load, fault: str) -> None:
    answers = Answers(load)
    answers.session.start()
    until(lambda: answers.events)
    (broken,) = answers.events
    assert broken.message == (
        f"The backend met an error it does not know while loading the model {fault}; send "
        "/logs/backend.log to the maintainers."
    )
    assert answers.session.status == broken and not answers.lost
    assert answers.session.close(5.0)


def test_a_bug_between_frames_ends_the_process() -> None:
    """The worker is gone then: the host must not wait for it for ever."""
    answers = Answers(lambda report: TinyPipeline())

    def done(answer) -> None:
        raise KeyError("nobody home")

    answers.session.submit(QueuedFrame("me", 1, stored(), ask(1), done))
    answers.session.start()
    until(lambda: answers.lost)
    assert str(answers.lost[0]) == (
        "The backend met an error it does not know while working (KeyError: 'nobody home'); send "
        "/logs/backend.log to the maintainers."
    )

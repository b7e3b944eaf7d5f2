# SPDX-License-Identifier: GPL-3.0-or-later
"""The client against a real server process with a tiny model."""

from __future__ import annotations

import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from backend.client import BackendClient, BackendState
from backend.client import supervisor as supervisor_module
from backend.shared.errors import (
    BackendError,
    Cancelled,
    ModelError,
    OutOfMemoryError,
    WorldError,
    WorldFMError,
)
from backend.shared.frame import FrameReply
from backend.shared.world import World

from .conftest import anchors, ask, backend_process, children, memory, settings, until
from .tiny_backend import tiny_reply


def assert_same(got: FrameReply, wanted: FrameReply) -> None:
    for name in ("rgb", "depth", "coverage", "anchor_rgb"):
        a, b = getattr(got, name), getattr(wanted, name)
        assert a.dtype == b.dtype and np.array_equal(a, b), name
    for name in ("request", "world_revision", "model_name", "model_hash"):
        assert getattr(got, name) == getattr(wanted, name), name


def test_a_frame_comes_back_whole(ready: BackendClient) -> None:
    request = ask(5)
    reply = ready.request("w", request).result(20)
    assert reply.request is request
    assert_same(reply, tiny_reply(World(anchors(), [memory()], 7, {}), request))
    assert reply.timings == {"rendered": 1.0}
    assert (ready.model_name, ready.model_hash) == ("tiny", "0123456789ab")
    assert [d.name for d in ready.devices] == ["Test CPU"]


def test_requests_made_while_it_starts_are_answered(client: BackendClient, tmp_path: Path) -> None:
    client.set_world("w", 1, anchors(), [])
    before = time.monotonic()
    client.start(settings(tmp_path))
    tickets = [client.request("w", ask(seed)) for seed in range(5)]
    assert time.monotonic() - before < 0.5  # the caller is never held
    for ticket in tickets:
        assert_same(ticket.result(20), tiny_reply(World(anchors(), [], 1, {}), ticket.request))


def test_a_ticket_says_what_is_done_for_it(client: BackendClient, tmp_path: Path) -> None:
    client.set_world("w", 1, anchors(), [])
    client.start(settings(tmp_path, model="tiny=1.5"))
    ticket = client.request("w", ask(1))
    assert ticket.stage == "Sending the scene"
    until(lambda: ticket.stage == "Rendering")
    until(lambda: ticket.stage == "Preparing shapes and materials")
    ticket.result(20)


def test_a_request_keeps_the_world_it_was_made_for(ready: BackendClient) -> None:
    tickets = []
    for revision in range(12):  # more worlds than the server keeps
        ready.set_world("w", revision, anchors(50, revision), [memory()])
        tickets.append(ready.request("w", ask(revision)))
    for revision, ticket in enumerate(tickets):
        world = World(anchors(50, revision), [memory()], revision, {})
        assert_same(ticket.result(20), tiny_reply(world, ticket.request))


def test_the_newest_preview_wins(client: BackendClient, tmp_path: Path) -> None:
    client.set_world("w", 1, anchors(), [])
    client.start(settings(tmp_path, "tiny=0.15"))
    until(lambda: client.state is BackendState.READY)
    asked = [ask(seed) for seed in range(30)]
    for request in asked:
        client.preview("w", "a", request)
        time.sleep(0.005)
    assert client.waiting("a")
    seen = []
    while client.waiting("a"):
        reply = client.newest("a")
        if reply is not None and (not seen or seen[-1] is not reply):
            seen.append(reply)
        time.sleep(0.005)
    last = client.newest("a")
    assert last is not None and last.request is asked[-1]
    assert len(seen) < 10  # most were never rendered
    seeds = [reply.request.seed for reply in seen]
    assert seeds == sorted(seeds)


def test_views_do_not_mix_and_renders_are_not_starved(
    client: BackendClient, tmp_path: Path
) -> None:
    client.set_world("w", 1, anchors(), [])
    client.start(settings(tmp_path, "tiny=0.02"))
    tickets = [client.request("w", ask(seed)) for seed in range(100, 106)]
    while not all(ticket.done for ticket in tickets):
        client.preview("w", "a", ask(1))
        client.preview("w", "b", ask(2))
        time.sleep(0.005)
    assert [ticket.result().request.seed for ticket in tickets] == list(range(100, 106))
    until(lambda: not client.waiting("a") and not client.waiting("b"))
    a, b = client.newest("a"), client.newest("b")
    assert a is not None and b is not None
    assert (a.request.seed, b.request.seed) == (1, 2)
    client.forget_view("a")
    assert client.newest("a") is None and client.newest("b") is b


def test_cancelled_frames_are_not_rendered(client: BackendClient, tmp_path: Path) -> None:
    client.set_world("w", 1, anchors(), [])
    client.start(settings(tmp_path, "tiny=0.1"))
    until(lambda: client.state is BackendState.READY)
    tickets = [client.request("w", ask(seed)) for seed in range(20)]
    for ticket in tickets[:-1]:
        ticket.cancel()
        with pytest.raises(Cancelled):
            ticket.result()
    reply = tickets[-1].result(20)
    assert reply.request.seed == 19
    assert reply.timings["rendered"] <= 4  # only those in flight were worked on


def test_without_a_backend_or_a_world_the_answer_is_a_sentence(
    client: BackendClient, tmp_path: Path
) -> None:
    client.set_world("w", 1, anchors(), [])
    with pytest.raises(BackendError, match="not running; start it"):
        client.request("w", ask()).result(0)
    client.start(settings(tmp_path))
    with pytest.raises(WorldError, match="add geometry"):
        client.request("nothing", ask()).result(0)
    client.preview("nothing", "a", ask())
    assert isinstance(client.preview_error("a"), WorldError)


def test_killed_in_an_animation_no_frame_is_lost(client: BackendClient, tmp_path: Path) -> None:
    client.set_world("w", 1, anchors(), [memory()])
    client.start(settings(tmp_path, "tiny=0.05"))
    world = World(anchors(), [memory()], 1, {})
    tickets = [client.request("w", ask(seed)) for seed in range(12)]
    for number, ticket in enumerate(tickets):
        if number in (3, 8):
            backend_process().send_signal(signal.SIGKILL)
        assert_same(ticket.result(30), tiny_reply(world, ticket.request))
    assert client.restarts == 2 and client.state is BackendState.READY


def test_killed_while_a_preview_is_awaited(client: BackendClient, tmp_path: Path) -> None:
    client.set_world("w", 1, anchors(), [])
    client.start(settings(tmp_path, "tiny=0.5"))
    until(lambda: client.state is BackendState.READY)
    client.preview("w", "a", ask(3))
    time.sleep(0.2)
    backend_process().kill()
    until(lambda: client.newest("a") is not None)
    assert client.restarts == 1


def test_a_lost_device_costs_a_restart_and_no_frame(client: BackendClient, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    trap = tmp_path / "trap"
    trap.touch()
    client.set_world("w", 1, anchors(), [])
    client.start(settings(tmp_path, f"lost={trap}"))
    tickets = [client.request("w", ask(seed)) for seed in range(3)]
    until(lambda: client.state is BackendState.RESTARTING, 60)
    assert client.status_text == (
        "The backend is restarted. The device stopped working (CUDA error: unspecified launch "
        "failure); update its driver, or choose another device in the preferences."
    )
    assert [ticket.result(60).request.seed for ticket in tickets] == [0, 1, 2]
    assert client.restarts == 1


@pytest.mark.skipif(sys.platform == "win32", reason="SIGSTOP")
def test_a_hung_backend_is_replaced(client: BackendClient, tmp_path: Path) -> None:
    client.set_world("w", 1, anchors(), [])
    client.start(settings(tmp_path, silence_s=2.0))
    client.request("w", ask()).result(20)
    stuck = backend_process()
    stuck.send_signal(signal.SIGSTOP)
    assert client.request("w", ask(1)).result(30).request.seed == 1
    assert client.restarts == 1
    until(lambda: not stuck.is_running())


def test_a_frame_that_never_ends_is_given_up_after_some_tries(
    client: BackendClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "BACK_OFF_S", (0.0, 0.0, 0.0))
    client.set_world("w", 1, anchors(), [])
    client.start(settings(tmp_path, "tiny=1000", frame_limit_s=0.2))
    with pytest.raises(BackendError, match="lower"):
        client.request("w", ask()).result(40)
    assert client.restarts == 2


def test_a_backend_that_keeps_crashing_fails_with_a_sentence(
    client: BackendClient, tmp_path: Path
) -> None:
    trap = tmp_path / "trap"
    trap.touch()
    client.set_world("w", 1, anchors(), [])
    client.start(settings(tmp_path, f"crash={trap}"))
    ticket = client.request("w", ask())
    with pytest.raises(BackendError, match=r"ended by the system \(signal 6\); see the log"):
        ticket.result(30)
    assert client.state is BackendState.FAILED
    assert "Fatal Python error: Aborted" in client.log_tail(80)
    with pytest.raises(BackendError, match="signal 6"):
        client.request("w", ask()).result(0)
    trap.unlink()
    client.start(settings(tmp_path, f"crash={trap}"))  # the user tries again
    assert client.request("w", ask(4)).result(20).request.seed == 4


def test_an_absent_model_is_the_models_error(client: BackendClient, tmp_path: Path) -> None:
    client.set_world("w", 1, anchors(), [])
    client.start(settings(tmp_path, "absent"))
    with pytest.raises(ModelError, match="There is no model 'absent'; choose"):
        client.request("w", ask()).result(20)
    assert client.state is BackendState.FAILED
    until(lambda: not children())
    with pytest.raises(ModelError):
        client.request("w", ask()).result(0)


def test_a_bug_while_the_model_loads_is_told_with_the_logs_place(
    client: BackendClient, tmp_path: Path
) -> None:
    client.set_world("w", 1, anchors(), [])
    client.start(settings(tmp_path, "bug"))
    ticket = client.request("w", ask())
    with pytest.raises(WorldFMError) as caught:
        ticket.result(20)
    assert client.status_text == str(caught.value)
    assert str(caught.value) == (
        "The backend met an error it does not know while loading the model (ZeroDivisionError: "
        f"by zero); send {client.log_path} to the maintainers."
    )
    assert client.state is BackendState.FAILED and "ZeroDivisionError" in client.log_tail()
    until(lambda: not children())


def test_a_bug_on_our_side_is_told_too(
    client: BackendClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda told: printed.append(str(told.exc_value)))

    def broken(*_: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(supervisor_module.Connection, "run", broken)
    client.set_world("w", 1, anchors(), [])
    client.start(settings(tmp_path))
    with pytest.raises(WorldFMError, match=r"does not know \(KeyError: 'a bug'\); start the"):
        client.request("w", ask()).result(20)
    assert client.state is BackendState.FAILED
    until(lambda: printed and not children())
    monkeypatch.undo()
    client.start(settings(tmp_path))  # the user tries again
    assert client.request("w", ask(4)).result(20).request.seed == 4


def test_out_of_memory_shrinks_previews_and_refuses_renders(
    client: BackendClient, tmp_path: Path
) -> None:
    client.set_world("w", 1, anchors(), [])
    client.start(settings(tmp_path, "small=20000"))
    client.preview("w", "a", ask(1, 512, 256))
    until(lambda: client.newest("a") is not None)
    reply = client.newest("a")
    assert reply is not None
    assert reply.rgb.shape == (64, 128, 3)
    assert (reply.request.camera.width, reply.request.seed) == (128, 1)
    assert "128 x 64" in client.notice
    with pytest.raises(OutOfMemoryError, match="512 x 256 pixels; lower the resolution"):
        client.request("w", ask(1, 512, 256)).result(20)
    assert client.state is BackendState.READY


def test_stop_is_quick_and_leaves_nothing(ready: BackendClient) -> None:
    ready.request("w", ask()).result(20)
    started = time.monotonic()
    ready.stop()
    assert time.monotonic() - started < 2.5
    assert ready.state is BackendState.STOPPED
    until(lambda: not children(), 1.0)


def test_stop_in_the_middle_of_a_frame(client: BackendClient, tmp_path: Path) -> None:
    client.set_world("w", 1, anchors(), [])
    client.start(settings(tmp_path, "tiny=60"))
    until(lambda: client.state is BackendState.READY)
    ticket = client.request("w", ask())
    time.sleep(0.3)
    client.stop()
    with pytest.raises(Cancelled):
        ticket.result(0)
    until(lambda: not children(), 2.0)


def test_other_settings_replace_the_backend(ready: BackendClient, tmp_path: Path) -> None:
    first = backend_process().pid
    ready.start(settings(tmp_path))
    assert backend_process().pid == first  # the same settings: the same backend
    ready.start(settings(tmp_path, "tiny=0.01"))
    assert ready.request("w", ask()).result(20).world_revision == 7
    until(lambda: [p.pid for p in children()] not in ([], [first]))
    assert len(children()) == 1


def test_two_hosts_at_once(ready: BackendClient, tmp_path: Path) -> None:
    other = BackendClient()
    other.set_world("w", 9, anchors(20, 9), [])
    other.start(settings(tmp_path))  # even the same data folder
    try:
        assert other.request("w", ask()).result(20).world_revision == 9
        assert ready.request("w", ask()).result(20).world_revision == 7
    finally:
        other.stop()


def test_a_large_world_passes_and_only_news_is_sent(
    ready: BackendClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backend.client import connection

    sent: list[int] = []
    real = connection.send_message

    async def counting(socket, message):
        named = isinstance(message, connection.PutArray)
        if named and message.array[:1].tobytes() != b"{":  # not what names the others
            sent.append(message.array.nbytes)
        await real(socket, message)

    ready.request("w", ask()).result(20)
    monkeypatch.setattr(connection, "send_message", counting)
    many = anchors(4_000_000)
    frames = [memory(seed) for seed in range(3)]
    before = time.monotonic()
    ready.set_world("w", 8, many, frames)
    ticket = ready.request("w", ask())
    assert time.monotonic() - before < 0.1
    assert_same(ticket.result(60), tiny_reply(World(many, frames, 8, {}), ticket.request))
    # the depths are equal: once; frame 0 is there from the world before
    assert sum(sent) == many.xyz.nbytes + many.rgb.nbytes + many.radius.nbytes + 2 * 16 * 24 * 3
    sent.clear()
    ready.set_world("other", 1, anchors(10, 3), [])
    ready.request("other", ask()).result(20)
    ready.request("w", ask()).result(20)
    assert sum(sent) == 10 * (12 + 3 + 4)  # worlds that are current stay on the other side
    sent.clear()
    ready.set_world("w", 9, many, [*frames, memory(5)])
    reply = ready.request("w", ask()).result(60)
    assert reply.coverage[0, 0] == 4 and reply.world_revision == 9
    assert sum(sent) == 16 * 24 * 3

# SPDX-License-Identifier: GPL-3.0-or-later
"""The server over real sockets, and its session, with a tiny model."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import ssl
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from backend import server as server_module
from backend import session as session_module
from backend.client import BackendClient, BackendState, LaunchSettings, RemoteBackend
from backend.client.snapshot import Snapshot
from backend.commands.serve import read_token, tls_context
from backend.device_errors import is_device_lost, is_out_of_memory
from backend.server import Listen, Server
from backend.session import Job, Session, fitted
from backend.shared.errors import BackendError, InputError, OutOfMemoryError
from backend.shared.messages import (
    PROTOCOL,
    Broken,
    Devices,
    Failed,
    Frame,
    Heartbeat,
    Hello,
    Missing,
    Need,
    Notice,
    Progress,
    PutArray,
    Ready,
    Refused,
    Render,
    Welcome,
)
from backend.shared.wire import MAX_FRAME_BYTES, receive_message, send_message
from backend.world_store import MAX_WORLDS, StoredWorld, WorldStore
from tests.client.conftest import ROOT, anchors, ask, memory, until
from tests.client.tiny_backend import CPU, TinyPipeline

TOKEN = "a token of enough letters"


def tiny(report):
    report(Devices((CPU,)))
    return TinyPipeline()


def with_server(test: Callable[[int], Awaitable[None]], load=tiny, listen=None) -> None:
    """Run `test(port)` while a server serves."""

    async def run() -> None:
        server, stop = Server(load, TOKEN, pytest.fail), asyncio.Event()
        port = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(server.run(listen or Listen(TOKEN), port.set_result, stop))
        try:
            await asyncio.wait_for(test(await port), 30)
        finally:
            stop.set()
            assert await asyncio.wait_for(task, 10)

    asyncio.run(run())


def dial(port: int, **options):
    return connect(f"ws://127.0.0.1:{port}", proxy=None, max_size=MAX_FRAME_BYTES, **options)


async def enter(socket) -> None:
    await send_message(socket, Hello(PROTOCOL, TOKEN))
    assert await receive_message(socket) == Welcome(PROTOCOL)


async def hear(socket, kind: type):
    """The next message of this kind."""
    while not isinstance(message := await receive_message(socket), kind):
        pass
    return message


@pytest.mark.parametrize(
    ("hello", "sentence"),
    [
        (Hello(PROTOCOL, "a token of other letters"), "refused the token"),
        (Hello(PROTOCOL, "é"), "refused the token"),
        (Hello(PROTOCOL + 1, TOKEN), f"speaks protocol {PROTOCOL} and the add-on {PROTOCOL + 1}"),
        (Heartbeat(), "refused the token"),
        (PutArray("x", np.zeros(3, np.uint8)), "refused the token"),
    ],
)
def test_who_does_not_say_the_right_hello_stays_out(hello, sentence: str) -> None:
    async def test(port: int) -> None:
        async with dial(port) as socket:
            await send_message(socket, hello)
            refusal = await receive_message(socket)
            assert isinstance(refusal, Refused) and sentence in refusal.message
            with pytest.raises(ConnectionClosed):
                await receive_message(socket)

    with_server(test)


def test_a_web_page_stays_out() -> None:
    async def test(port: int) -> None:
        with pytest.raises(InvalidStatus):
            async with dial(port, origin="http://127.0.0.1"):
                pass

    with_server(test)


def test_who_says_nothing_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "HELLO_LIMIT_S", 0.2)

    async def test(port: int) -> None:
        async with dial(port) as socket:
            assert isinstance(await receive_message(socket), Refused)

    with_server(test)


def test_too_many_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MAX_CLIENTS", 1)

    async def test(port: int) -> None:
        async with dial(port) as first, dial(port) as second:
            await enter(first)
            await send_message(second, Hello(PROTOCOL, TOKEN))
            assert "already serves 1 clients" in (await receive_message(second)).message

    with_server(test)


async def put_world(socket, snapshot: Snapshot) -> None:
    manifest = snapshot.manifest()
    await send_message(socket, manifest)
    need = await hear(socket, Need)
    for name in need.arrays:
        await send_message(socket, PutArray(name, snapshot.array(name)))
    if need.arrays:
        assert (await hear(socket, Need)).arrays == ()


def test_nonsense_ends_one_connection_and_no_other() -> None:
    async def test(port: int) -> None:
        async with dial(port) as good, dial(port) as bad:
            await enter(good)
            await enter(bad)
            await send_message(bad, Frame(1, *[np.zeros((1, 1), np.uint8)] * 4, 1, "", ""))
            with pytest.raises(ConnectionClosed):
                await hear(bad, Failed)
            world = Snapshot("w", 3, anchors(), [memory()])
            await put_world(good, world)
            await send_message(good, Render(5, world.wire_key, 3, ask()))
            assert (await hear(good, Frame)).id == 5

    with_server(test)


def test_a_damaged_array_is_not_taken() -> None:
    async def test(port: int) -> None:
        async with dial(port) as socket:
            await enter(socket)
            world = Snapshot("w", 3, anchors(), [])
            await send_message(socket, world.manifest())
            name = (await hear(socket, Need)).arrays[0]
            await send_message(socket, PutArray(name, world.array(name) + 1))
            with pytest.raises(ConnectionClosed):
                await hear(socket, Need)

    with_server(test)


def test_a_world_that_is_not_here_is_asked_for() -> None:
    async def test(port: int) -> None:
        async with dial(port) as socket:
            await enter(socket)
            await send_message(socket, Render(5, "nothing", 3, ask()))
            assert await hear(socket, Missing) == Missing(5)

    with_server(test)


def test_heartbeats_come_while_a_frame_is_in_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "HEARTBEAT_S", 0.05)

    async def test(port: int) -> None:
        async with dial(port) as socket:
            await enter(socket)
            world = Snapshot("w", 1, anchors(), [])
            await put_world(socket, world)
            await send_message(socket, Render(5, world.wire_key, 1, ask()))
            beats = []
            while not isinstance(message := await receive_message(socket), Frame):
                beats += [message] if isinstance(message, Heartbeat) else []
            busy = [beat.busy_s for beat in beats if beat.busy_id == 5]
            assert len(busy) >= 3 and busy == sorted(busy)

    with_server(test, load=lambda report: TinyPipeline(seconds=0.6))


def test_the_port_is_taken() -> None:
    async def test(port: int) -> None:
        other = Server(tiny, TOKEN, pytest.fail)
        with pytest.raises(BackendError, match=rf"Port {port} of 127.0.0.1 cannot be used"):
            await other.run(Listen(TOKEN, port=port), pytest.fail, asyncio.Event())

    with_server(test)


def test_only_loopback_without_tls() -> None:
    for host in ("0.0.0.0", "192.168.1.5", "::", "example.org"):
        with pytest.raises(InputError, match="needs TLS: give --tls-cert"):
            Listen(TOKEN, host)
    for host in ("127.0.0.1", "::1", "localhost", "127.8.8.8"):
        Listen(TOKEN, host)
    with pytest.raises(InputError, match="at least 16"):
        Listen("short")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate of 127.0.0.1 and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command makes the test's certificate")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(cert)]
    subprocess.run([*command.split(), *subject, *files], check=True, capture_output=True)
    return cert, key


def test_a_remote_client_over_tls(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    cert, key = certificate

    def settings(port: int, token: str = TOKEN, ca: Path | None = cert) -> LaunchSettings:
        remote = RemoteBackend(f"wss://127.0.0.1:{port}", token, ca)
        return LaunchSettings(Path("unused"), Path("unused"), tmp_path, remote=remote)

    def talk(port: int) -> None:
        client = BackendClient()
        client.set_world("w", 4, anchors(), [memory()])
        try:
            client.start(settings(port))
            assert client.request("w", ask()).result(20).world_revision == 4
            client.start(settings(port, token="some other token"))
            with pytest.raises(BackendError, match="refused the token; enter the one"):
                client.request("w", ask()).result(20)
            client.start(settings(port, ca=tmp_path / "none.pem"))
            with pytest.raises(BackendError, match="cannot be read; choose the file"):
                client.request("w", ask()).result(20)
            client.start(settings(port, ca=None))  # nobody vouches for it
            with pytest.raises(
                BackendError, match=r"is not to be trusted .*; choose the certificate file"
            ):
                client.request("w", ask()).result(20)
        finally:
            client.stop()

    async def test(port: int) -> None:
        await asyncio.to_thread(talk, port)

    with_server(test, listen=Listen(TOKEN, tls=tls_context(cert, key)))


def test_a_remote_address_must_be_encrypted(tmp_path: Path) -> None:
    client = BackendClient()
    client.set_world("w", 4, anchors(), [])
    remote = RemoteBackend("ws://127.0.0.1:1", TOKEN)
    client.start(LaunchSettings(Path("unused"), Path("unused"), tmp_path, remote=remote))
    with pytest.raises(BackendError, match="must begin with wss://"):
        client.request("w", ask()).result(20)
    client.stop()


def test_nobody_answers_at_a_remote_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.client.supervisor.BACK_OFF_S", (0.0, 0.0, 0.0))
    client = BackendClient()
    client.set_world("w", 4, anchors(), [])
    remote = RemoteBackend("wss://127.0.0.1:1", TOKEN)
    client.start(LaunchSettings(Path("unused"), Path("unused"), tmp_path, remote=remote))
    with pytest.raises(BackendError, match=r"No backend answers at wss://127\.0\.0\.1:1 "):
        client.request("w", ask()).result(20)
    assert client.state is BackendState.FAILED
    client.stop()


def test_tls_files_that_do_not_fit(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    cert, key = certificate
    assert isinstance(tls_context(cert, key), ssl.SSLContext)
    assert tls_context(None, None) is None
    with pytest.raises(InputError, match="needs both"):
        tls_context(cert, None)
    with pytest.raises(InputError, match="give a PEM certificate"):
        tls_context(cert, cert)
    with pytest.raises(InputError, match="give a PEM certificate"):
        tls_context(tmp_path / "none", key)


def test_a_token_file_is_made_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "token"
    token = read_token(path)
    assert len(token) >= 32 and read_token(path) == token
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def serve(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-s", "-m", "backend", "serve", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_by_hand_a_token_file_is_needed_and_tls_beyond_loopback(tmp_path: Path) -> None:
    run = serve()
    assert run.returncode == 2 and "Error: A backend started by hand needs" in run.stderr
    run = serve("--token-file", str(tmp_path / "t"), "--host", "0.0.0.0")
    assert run.returncode == 2 and "Error: Listening on 0.0.0.0 needs TLS" in run.stderr


def test_by_hand_it_says_its_address(tmp_path: Path) -> None:
    command = [sys.executable, "-s", "-m", "backend", "serve", "--json", "--token-file"]
    process = subprocess.Popen(
        [*command, str(tmp_path / "token")], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        token = (tmp_path / "token").read_text().strip()

        async def test() -> None:
            async with connect(url, proxy=None) as socket:
                await send_message(socket, Hello(PROTOCOL, token))
                assert await receive_message(socket) == Welcome(PROTOCOL)

        asyncio.run(test())
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def stored(revision: int = 1) -> StoredWorld:
    snapshot, store = Snapshot("w", revision, anchors(10, revision), []), WorldStore()
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
        self.lost: list[BaseException] = []
        self.session = Session(load, self.events.append, self.lost.append)

    def submit(self, number: int, view: str | None = None, owner: str = "me", **size) -> None:
        def done(answer) -> None:
            self.answers.append((owner, view, number, answer))

        self.session.submit(Job(owner, number, stored(), ask(number, **size), done, view))

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
    assert "(ZeroDivisionError: by zero); send the log" in text and not answers.lost
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
    assert answers.lost == [lost]
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


def test_the_store_shares_arrays_and_lets_the_oldest_world_go() -> None:
    store, points = WorldStore(), anchors(10)
    first = Snapshot("w", 1, points, [memory(1)])
    names = store.put(first.manifest())
    assert len(names) == 5 and store.get(first.wire_key, 1) is None
    for name in names:
        store.add(PutArray(name, first.array(name)))
    world = store.get(first.wire_key, 1)
    assert world is not None and store.get(first.wire_key, 2) is None
    assert store.get(first.wire_key, 1) is world  # the same object: prepared once
    second = Snapshot("w", 2, points, [memory(1), memory(2)])
    (name,) = store.put(second.manifest())  # only the new picture; the depths are equal
    store.add(PutArray(name, second.array(name)))
    newer = store.get(second.wire_key, 2)
    assert newer is not None and newer.memory[0] is world.memory[0]
    for number in range(MAX_WORLDS):
        store.put(Snapshot(str(number), 1, points, []).manifest())
    assert store.get(first.wire_key, 1) is None
    assert np.array_equal(world.assemble().memory[0].rgb, memory(1).rgb)  # still whole
    with pytest.raises(BackendError, match="damaged"):
        store.add(PutArray(names[0], np.zeros(3, np.float32)))

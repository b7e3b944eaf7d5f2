# SPDX-License-Identifier: GPL-3.0-or-later
"""The server over real sockets, with a tiny model."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from backend.client.snapshot import Snapshot
from backend.serving import entrance
from backend.serving import server as server_module
from backend.serving.server import Listen, Server
from backend.shared.errors import BackendError
from backend.shared.messages import (
    PROTOCOL,
    Failed,
    Frame,
    Heartbeat,
    Hello,
    Missing,
    Need,
    PutArray,
    Refused,
    Render,
)
from backend.shared.wire import receive_message, send_message
from backend.shared.world import World
from tests.client.conftest import anchors, ask, memory
from tests.client.tiny_backend import TinyPipeline

from .server_room import TOKEN, dial, enter, hear, tiny, with_server


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
    monkeypatch.setattr(entrance, "SECONDS", 0.2)

    async def test(port: int) -> None:
        async with dial(port) as socket:
            assert isinstance(await receive_message(socket), Refused)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        writer.close()

    with_server(test)


def test_who_says_nothing_keeps_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for longer than its time, even if it does not take leave."""
    monkeypatch.setattr(entrance, "MOST_STRANGERS", 3)
    request = (
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: MDEyMzQ1Njc4OTAxMjM0NQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )

    async def test(port: int) -> None:
        crowd = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
        for _, writer in crowd:
            writer.write(request)
        await asyncio.sleep(entrance.SECONDS + 0.5)
        async with dial(port) as socket:
            await enter(socket)
        for _, writer in crowd:
            writer.close()

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
            world = Snapshot("w", World(anchors(), [memory()], 3))
            await put_world(good, world)
            await send_message(good, Render(5, world.wire_key, 3, ask()))
            assert (await hear(good, Frame)).id == 5

    with_server(test)


def test_a_damaged_array_is_not_taken() -> None:
    async def test(port: int) -> None:
        async with dial(port) as socket:
            await enter(socket)
            world = Snapshot("w", World(anchors(), [], 3))
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
            world = Snapshot("w", World(anchors(), [], 1))
            await put_world(socket, world)
            await send_message(socket, Render(5, world.wire_key, 1, ask()))
            beats = []
            while not isinstance(message := await receive_message(socket), Frame):
                beats += [message] if isinstance(message, Heartbeat) else []
            busy = [beat.busy_s for beat in beats if beat.busy_id == 5]
            assert len(busy) >= 3 and busy == sorted(busy)
            assert "Preparing shapes and materials" in {beat.stage for beat in beats}

    with_server(test, load=lambda report: TinyPipeline(seconds=0.6))


def test_the_port_is_taken() -> None:
    async def test(port: int) -> None:
        other = Server(tiny, TOKEN, pytest.fail)
        with pytest.raises(BackendError, match=rf"Port {port} of 127.0.0.1 cannot be used"):
            await other.run(Listen(TOKEN, port=port), pytest.fail, asyncio.Event())

    with_server(test)

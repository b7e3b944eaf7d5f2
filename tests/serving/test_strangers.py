# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever reaches the port: strangers are few and brief, nonsense is answered with a sentence."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import replace

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidMessage

from backend.client.snapshot import Snapshot
from backend.serving import entrance
from backend.shared.content import content_hash
from backend.shared.messages import (
    PROTOCOL,
    Cancel,
    Failed,
    Hello,
    Need,
    PutArray,
    Refused,
    Render,
    encode,
)
from backend.shared.wire import receive_message, send_message
from backend.shared.world import World
from tests.client.conftest import anchors, ask, memory

from .server_room import TOKEN, dial, enter, hear, with_server


def test_a_stranger_is_cut_off_after_few_words(caplog) -> None:
    async def test(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\n" + b"X-Long: " + b"a" * 5000 + b"\r\n")
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
        for _ in range(20):
            with contextlib.suppress(ConnectionClosed):
                async with dial(port) as socket:
                    await socket.send("x" * 5000)
                    await socket.recv()

    with_server(test)
    said = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert 1 <= len(said) <= 4, "the log is flooded"
    assert "more than 4096 bytes before the token" in said[0]
    assert not any(record.exc_info for record in caplog.records)


def test_strangers_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entrance, "MOST_STRANGERS", 3)

    async def test(port: int) -> None:
        strangers = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        with pytest.raises((ConnectionError, EOFError, InvalidMessage)):
            await dial(port)
        for _, writer in strangers:
            writer.close()
            await writer.wait_closed()
        await asyncio.sleep(0.05)
        async with dial(port) as friend:  # who was let in counts no more
            await enter(friend)
            again = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
            await send_message(friend, Cancel(1))
            for _, writer in again:
                writer.close()

    with_server(test)


@pytest.mark.parametrize(
    ("host", "allowed"),
    [("127.0.0.1", True), ("localhost", True), ("[::1]", True), ("evil.example", False),
     ("127.0.0.1.evil.example", False), ("", False)],
)  # fmt: skip
def test_a_page_whose_name_was_bent_to_this_machine_stays_out(host: str, allowed: bool) -> None:
    async def test(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        lines = [
            "GET / HTTP/1.1", f"Host: {host}:{port}" if host else "X: y", "Upgrade: websocket",
            "Connection: Upgrade", "Sec-WebSocket-Key: MDEyMzQ1Njc4OTAxMjM0NQ==",
            "Sec-WebSocket-Version: 13",
        ]  # fmt: skip
        writer.write("\r\n".join([*lines, "", ""]).encode())
        status = (await reader.readline()).split()[1]
        assert status == (b"101" if allowed else b"403")
        writer.close()

    with_server(test)


def header_of(message, **changes) -> str:
    tree = json.loads(encode(message)[0])
    for path, value in changes.items():
        *way, last = path.split("__")
        place = tree
        for step in way:
            place = place.setdefault(step, {})
        place[last] = value
    return json.dumps(tree)


RENDER = Render(5, "w", 3, ask())


@pytest.mark.parametrize(
    "text",
    [
        header_of(RENDER, body__request__seed=2**40),
        header_of(RENDER, body__request__seed=-1),
        header_of(RENDER, body__request__steps=0),
        header_of(RENDER, body__request__steps=10**9),
        header_of(RENDER, body__request__references=-3),
        header_of(RENDER, body__request__camera__size=[0, 16]),
        header_of(RENDER, body__request__camera__size=[10**9, 16]),
        header_of(RENDER, body__request__camera__size=[1e999, 16]),
        header_of(RENDER, body__request__camera__K=[[float("nan")] * 3] * 3),
        header_of(RENDER, body__request__camera__c2w=3),
        header_of(RENDER, body__id=1.5),
        header_of(RENDER, body__id=2**80),
        header_of(RENDER, body__revision=-(2**70)),
        header_of(RENDER, body__key="\ud800"),
        header_of(RENDER, arrays=[["|u1", [2**40, 2**40]]]),
        header_of(RENDER, arrays=[["|u1", [-1]]]),
        header_of(RENDER, arrays=[["|O", [1]]]),
        header_of(RENDER, arrays=[["|u1", [True]]]),
        header_of(RENDER, type="Frame"),
        '{"type": "Render", "arrays": [], "body": ' + "[" * 50_000,
        "1" * 400,
        "[]",
    ],
)
def test_what_cannot_be_is_answered_with_a_sentence(text: str, caplog) -> None:
    async def test(port: int) -> None:
        async with dial(port) as socket:
            await enter(socket)
            await socket.send(text)
            refusal = await hear(socket, Refused)
            assert refusal.message.endswith(".") and len(refusal.message) < 500
        async with dial(port) as socket:
            await enter(socket)

    with_server(test)
    assert not any(record.exc_info for record in caplog.records)


def test_a_token_of_half_characters_is_refused() -> None:
    async def test(port: int) -> None:
        async with dial(port) as socket:
            await socket.send(header_of(Hello(PROTOCOL, TOKEN), body__token="\udcff" * 20))
            assert "refused the token" in (await receive_message(socket)).message

    with_server(test)


def test_arrays_of_no_dimension_make_no_world() -> None:
    async def test(port: int) -> None:
        world = Snapshot("w", World(anchors(), [memory()], 3))
        bare = {name: np.zeros((), np.float32) for name in ("xyz", "rgb", "radius")}
        async with dial(port) as socket:
            await enter(socket)
            manifest = world.manifest()
            content = json.loads(world.array(manifest.content).tobytes())
            names = [content["anchors"][name] for name in bare]
            arrays = {name: content_hash(bare["xyz"]) for name in names}
            text = world.array(manifest.content).tobytes().decode()
            for old, new in arrays.items():
                text = text.replace(old, new)
            data = np.frombuffer(text.encode(), np.uint8)
            named = tuple(arrays.get(name, name) for name in manifest.arrays)
            await send_message(socket, replace(manifest, content=content_hash(data), arrays=named))
            need = await hear(socket, Need)
            for name in need.arrays:
                array = {content_hash(data): data, content_hash(bare["xyz"]): bare["xyz"]}.get(name)
                await send_message(
                    socket, PutArray(name, world.array(name) if array is None else array)
                )
            await send_message(socket, Render(5, world.wire_key, 3, ask()))
            failed = await hear(socket, Failed)
            assert "damaged" in failed.message and "does not know" not in failed.message

    with_server(test)

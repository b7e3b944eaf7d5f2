# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever reaches the port while a friend renders: nonsense, floods, slowness, half of a world."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import psutil
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from backend.client.snapshot import Snapshot
from backend.commands.serve import _start_log
from backend.serving.server import Listen, Server
from backend.shared.errors import WorldFMError
from backend.shared.messages import PROTOCOL, Failed, Frame, Hello, Need, PutArray, Render, encode
from backend.shared.wire import receive_message, send_message
from backend.shared.world import World
from tests.client.conftest import anchors, ask, memory
from tests.client.tiny_backend import tiny_reply
from tests.fuzz.mutate import mutated
from tests.serving.server_room import TOKEN, dial, enter, hear, tiny

from .process import MOST_BYTES
from .report import Report

PATIENCE = 20.0
MOST_LOG = 200_000
LEFT = (ConnectionClosed, InvalidHandshake, InvalidMessage, OSError, EOFError, WorldFMError)
"""How a server ends a conversation."""
Attack = Callable[[int, random.Random], Awaitable[None]]


async def _noise(port: int, chance: random.Random) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(chance.randbytes(chance.choice((1, 100, 5000, 200_000))))
    await writer.drain()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(reader.read(100), 0.2)
    writer.close()


async def _silent_crowd(port: int, chance: random.Random) -> None:
    """Many that say nothing, and leave at once or stay a little."""
    crowd = [await asyncio.open_connection("127.0.0.1", port) for _ in range(40)]
    await asyncio.sleep(chance.choice((0.0, 0.1)))
    for _, writer in crowd:
        writer.close()


async def _flood_before_hello(port: int, chance: random.Random) -> None:
    async with dial(port) as socket:
        for _ in range(50):
            await socket.send("x" * chance.choice((10, 1000, 5000)))
        await socket.recv()


async def _odd_hello(port: int, chance: random.Random) -> None:
    async with dial(port) as socket:
        text = encode(Hello(PROTOCOL, TOKEN))[0].encode()
        await socket.send(mutated(text, chance).decode("utf-8", "replace"))
        await socket.recv()


async def _odd_message(port: int, chance: random.Random) -> None:
    """From one who knows the token: a message that is damaged."""
    async with dial(port) as socket:
        await enter(socket)
        world = Snapshot("w", World(anchors(), [memory()], 3))
        message = chance.choice((Render(5, "w", 3, ask()), world.manifest()))
        text = mutated(encode(message)[0].encode(), chance)
        await socket.send(text.decode("utf-8", "replace"))
        for _ in range(3):
            await asyncio.wait_for(socket.recv(), 0.5)


async def _half_a_world(port: int, chance: random.Random) -> None:
    """Arrays that lie, and a client that leaves in the middle of one."""
    async with dial(port) as socket:
        await enter(socket)
        world = Snapshot("w", World(anchors(seed=chance.randrange(99)), [memory()], 3))
        await send_message(socket, world.manifest())
        need = await hear(socket, Need)
        for name in need.arrays[: chance.randrange(4)]:
            array = chance.choice((world.array(name), np.zeros((), np.uint8), np.zeros((0, 3))))
            header, _ = encode(PutArray(name, array))
            await socket.send(header)
            await socket.send(array.tobytes()[: chance.randrange(200)])
        if chance.random() < 0.5:
            socket.transport.abort()


async def _slow(port: int, chance: random.Random) -> None:
    """Asks for frames and reads none of them."""
    async with dial(port) as socket:
        await enter(socket)
        for number in range(20):
            await send_message(socket, Render(number + 1, "nothing", 3, ask(number)))
        await asyncio.sleep(0.1)
        socket.transport.abort()


ATTACKS: list[Attack] = [
    _noise, _silent_crowd, _flood_before_hello, _odd_hello, _odd_message, _odd_message,
    _half_a_world, _slow,
]  # fmt: skip


class _Friend:
    """A client that goes on rendering."""

    def __init__(self, socket: object) -> None:
        self._socket = socket
        self._world = World(anchors(), [memory()], 7, {})

    async def bring_world(self) -> str:
        """Sends the world; its key."""
        snapshot = Snapshot("w", self._world)
        await send_message(self._socket, snapshot.manifest())
        while missing := (await hear(self._socket, Need)).arrays:
            for name in missing:
                await send_message(self._socket, PutArray(name, snapshot.array(name)))
        return snapshot.wire_key

    async def frame(self, number: int, key: str) -> str:
        """ "" or why a frame did not come as it should."""
        await send_message(self._socket, Render(number, key, 7, ask(number)))
        while True:
            message = await receive_message(self._socket)
            if isinstance(message, Failed):
                return f"frame lost: {message.message}"
            if isinstance(message, Frame) and message.id == number:
                wanted = tiny_reply(self._world, ask(number)).color
                return "" if np.array_equal(message.color, wanted) else "frame lost: a wrong one"


def strangers(count: int, report: Report, chance: random.Random) -> None:
    """`count` conversations that no client of ours would have."""
    with tempfile.TemporaryDirectory(prefix="attack-") as folder:
        log = Path(folder, "log")
        server, port = _serve(log)
        try:
            asyncio.run(_attack(port, server, count, report, chance))
        finally:
            os.kill(server, signal.SIGKILL)
            os.waitpid(server, 0)
        said = log.read_text(errors="replace")
        wrong = []
        if "Traceback" in said:
            wrong.append(f"traceback: {said[said.index('Traceback') :][:1500]}")
        if len(said) > MOST_LOG:
            wrong.append(f"memory: the log has {len(said)} characters")
        report.add("log of all strangers", wrong)


async def _attack(
    port: int, server: int, count: int, report: Report, chance: random.Random
) -> None:
    before = psutil.Process(server).memory_info().rss
    async with dial(port) as socket:
        await enter(socket)
        friend = _Friend(socket)
        key = await friend.bring_world()
        for number in range(1, count + 1):
            attack, wrong = ATTACKS[number % len(ATTACKS)], []
            name = attack.__name__.strip("_")
            try:
                await asyncio.wait_for(_left(attack(port, chance)), PATIENCE)
            except TimeoutError:
                wrong.append(f"hang: {name} was not answered")
            try:
                lost = await asyncio.wait_for(friend.frame(number, key), PATIENCE)
                wrong += [lost] if lost else []
            except (TimeoutError, *LEFT) as error:
                report.add(f"stranger: {name}", [*wrong, f"frame lost: {error!r}"])
                return
            if psutil.Process(server).memory_info().rss - before > MOST_BYTES:
                wrong.append("memory: the server has grown by 2 GB")
            report.add(f"stranger: {name}", wrong)
    report.figures["server's growth under strangers, MB"] = (
        psutil.Process(server).memory_info().rss - before
    ) >> 20


async def _left(conversation: Awaitable[None]) -> None:
    with contextlib.suppress(*LEFT, TimeoutError):
        await conversation


def _serve(log: Path) -> tuple[int, int]:
    """A server in a process of its own: its pid and port."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            file = os.open(log, os.O_WRONLY | os.O_CREAT)
            os.dup2(file, 2)
            _start_log()
            asyncio.run(_run(lambda port: os.write(writer, b"%d\n" % port)))
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        return child, int(pipe.readline())


async def _run(on_port: Callable[[int], object]) -> None:
    server = Server(tiny, TOKEN, lambda error: os._exit(70))
    await server.run(Listen(TOKEN), on_port, asyncio.Event())

# SPDX-License-Identifier: GPL-3.0-or-later
"""A server with a tiny model, and how to talk to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from websockets.asyncio.client import connect

from backend.serving.server import Listen, Server
from backend.shared.errors import WorldFMError
from backend.shared.messages import PROTOCOL, Devices, Hello, Welcome
from backend.shared.wire import MAX_FRAME_BYTES, receive_message, send_message
from tests.client.tiny_backend import CPU, TinyPipeline

TOKEN = "a token of enough letters"


def tiny(report):
    report(Devices((CPU,)))
    return TinyPipeline()


def _must_not_give_up(error: WorldFMError) -> None:
    raise AssertionError(f"the server gave up: {error}")


def with_server(test: Callable[[int], Awaitable[None]], load=tiny, listen=None) -> None:
    """Run `test(port)` while a server serves."""

    async def run() -> None:
        server, stop = Server(load, TOKEN, _must_not_give_up), asyncio.Event()
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

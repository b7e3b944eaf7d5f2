# SPDX-License-Identifier: GPL-3.0-or-later
"""`worldfm serve`: the generation process, for the host that started it or for remote clients."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import json
import logging
import os
import platform
import secrets
import ssl
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from ..offline import allow_name
from ..serving.loading import ModelChoice, load_pipeline
from ..serving.priority import give_way
from ..serving.server import Listen, Server
from ..serving.session import Load
from ..shared.errors import InputError, WorldFMError
from ..shared.log_file import keep_short
from ..shared.orphan import end_with_parent
from .options import Threads

app = typer.Typer(add_completion=False)

PARENT_CHECK_S = 0.25
EXIT_LIMIT_S = 0.8
GAVE_UP = 70

_log = logging.getLogger(__name__)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 lets the system choose.")] = 0,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain (PEM).")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Private key (PEM).")] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="File with the token; made when it is absent.")
    ] = None,
    model: Annotated[str, typer.Option(help="Name or path of the model.")] = "embedded",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16, float16.")] = "auto",
    threads: Threads = 0,
    json_output: Annotated[
        bool, typer.Option("--json", help="Say the address as one JSON line.")
    ] = False,
    child: Annotated[bool, typer.Option("--child", hidden=True)] = False,
) -> None:
    """Run the generation process that Blender talks to."""
    _start_log()
    if child:
        serve_parent(lambda choice: partial(load_pipeline, choice))
    if token_file is None:
        raise InputError(
            "A backend started by hand needs --token-file FILE; clients must give the token in it."
        )
    allow_name(host)
    listen = Listen(read_token(token_file), host, port, tls_context(tls_cert, tls_key))
    load = partial(load_pipeline, ModelChoice(model, device, dtype))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(listen, load, partial(_say_address, listen, json_output)))
    _end(0)


def _start_log() -> None:
    faulthandler.enable()  # a crash in native code leaves its stack in the log
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format=f"%(asctime)s [{os.getpid()}] %(levelname)s %(name)s: %(message)s",
    )
    logging.getLogger("websockets").setLevel(logging.WARNING)
    _log.info("Python %s on %s", platform.python_version(), platform.platform())


def serve_parent(make_load: Callable[[ModelChoice], Load]) -> NoReturn:
    """The life of a child process. Its contract: backend/client/process.py."""
    end_with_parent()
    settings = json.loads(_read_line(0))
    keep_short(Path(settings["log"]), sys.stderr.fileno())
    if settings["gives_way"]:
        give_way()
    listen = Listen(settings["token"])
    choice = ModelChoice(settings["model"], settings["device"], settings["dtype"])
    asyncio.run(_serve(listen, make_load(choice), _say_port, 0, settings["log"]))
    _end(0)


async def _serve(
    listen: Listen,
    load: Load,
    on_port: Callable[[int], None],
    stdin: int | None = None,
    log: str = "its output",
) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    if stdin is not None:
        on_end = partial(loop.call_soon_threadsafe, stop.set)
        threading.Thread(target=_watch_parent, args=(on_end,), daemon=True).start()
        threading.Thread(target=_watch_stdin, args=(stdin, on_end), daemon=True).start()
    server = Server(load, listen.token, _give_up, log)
    await server.run(listen, on_port, stop)


def _give_up(error: WorldFMError) -> None:
    print(f"Error: {error}", file=sys.stderr)
    _end(GAVE_UP)


def _end(code: int) -> NoReturn:
    """End this process now: a model that still computes must not hold it up."""
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)


def _read_line(fd: int) -> bytes:
    """One line of a file descriptor, nothing of what follows it.

    Not through sys.stdin: a thread that blocks in its buffer makes the interpreter abort at exit.
    """
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(fd, 1)
        if not byte:
            _end(0)  # the parent was gone before it said anything
        line += byte
    return line


def _watch_stdin(fd: int, on_end: Callable[[], object]) -> None:
    try:
        while os.read(fd, 4096):
            pass
    except OSError:
        pass  # closed under us: the same
    _leave(on_end)


def _watch_parent(on_end: Callable[[], object]) -> None:
    """For the case that another process inherited our stdin's other end."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_S)
    _leave(on_end)


def _leave(on_end: Callable[[], object]) -> None:
    _log.info("the host is gone; ending")
    with contextlib.suppress(RuntimeError):  # the event loop has ended already
        on_end()
    time.sleep(EXIT_LIMIT_S)
    _end(0)


def _say_port(port: int) -> None:
    print(json.dumps({"port": port}), flush=True)
    os.dup2(2, 1)  # nobody reads on: what a library prints belongs in the log


def _say_address(listen: Listen, as_json: bool, port: int) -> None:
    scheme = "wss" if listen.tls else "ws"
    url = f"{scheme}://{listen.host}:{port}"
    print(json.dumps({"url": url}) if as_json else f"Listening on {url}", flush=True)


def read_token(path: Path) -> str:
    """The token in `path`; a fresh one is written there, for its owner only, when it is absent."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        token = secrets.token_urlsafe(32)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w") as file:
            file.write(token + "\n")
        return token


def tls_context(cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """TLS with this certificate; None when neither is given. Raises InputError."""
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise InputError("TLS needs both --tls-cert and --tls-key; give the other one too.")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise InputError(
            f"The certificate {cert} or its key {key} cannot be used ({error.strerror or error}); "
            "give a PEM certificate and the key it was made with."
        ) from error
    return context

# SPDX-License-Identifier: GPL-3.0-or-later
"""The hub that models are downloaded from, in a process of its own, a little slow."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.models.hub import published_files, serve_hub

PAUSE_SECONDS = 0.005


@contextmanager
def local_hub() -> Iterator[None]:
    """HF_ENDPOINT names it meanwhile."""
    with tempfile.TemporaryDirectory(prefix="attack-hub-") as folder:
        server = serve_hub(published_files(Path(folder)))
    server.hub.pause = PAUSE_SECONDS
    child = os.fork()
    if child == 0:
        server.serve_forever()
    server.socket.close()
    os.environ["HF_ENDPOINT"] = f"http://127.0.0.1:{server.server_port}"
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

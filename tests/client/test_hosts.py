# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that end, however they do: the backend ends with them, and nobody complains."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ROOT, until

HOST = """
import sys, time
from pathlib import Path
from tests.client.conftest import *
client = BackendClient()
client.set_world("w", 1, anchors(), [])
client.start(settings(Path(sys.argv[1])))
client.request("w", ask()).result(20)
print(backend_process().pid, flush=True)
{end}
"""


@pytest.mark.parametrize("end", ["pass", "raise SystemExit", "import os; os._exit(1)", "kill"])
def test_the_backend_ends_with_its_host(tmp_path: Path, end: str) -> None:
    code = HOST.format(end="time.sleep(60)" if end == "kill" else end)
    host = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert host.stdout is not None
    backend = int(host.stdout.readline())
    if end == "kill":
        host.kill()
    _, complaints = host.communicate(timeout=10)
    assert complaints == b""
    until(lambda: not alive(backend), 5.0)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not end what is stopped")
def test_a_backend_that_is_stopped_ends_with_its_host(tmp_path: Path) -> None:
    code = HOST.format(end="time.sleep(60)")
    host = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert host.stdout is not None
    backend = int(host.stdout.readline())
    os.kill(backend, signal.SIGSTOP)
    host.kill()
    host.wait(10)
    host.stdout.close()
    until(lambda: not alive(backend), 5.0)


QUIT = """
import sys, threading, time
from pathlib import Path
from backend.client import supervisor
from tests.client.conftest import *

def refusing(self, real=threading.Thread.start):
    if not threading.main_thread().is_alive():  # as Python 3.12 and newer do
        raise RuntimeError("can't create new thread at interpreter shutdown")
    real(self)

threading.Thread.start = refusing
begun = threading.Event()
real_init = supervisor.BackendProcess.__init__

def slow_init(self, *arguments):
    real_init(self, *arguments)
    print(self.pid, flush=True)
    if "{where}" == "before it listens":
        begun.set()
        time.sleep(1.0)

async def slow_run(self, address):  # as for the name of a remote backend
    begun.set()
    time.sleep(1.0)
    await supervisor.asyncio.get_running_loop().getaddrinfo("localhost", 1)

supervisor.BackendProcess.__init__ = slow_init
supervisor.Connection.run = slow_run
client = BackendClient()
client.set_world("w", 1, anchors(), [])
client.start(settings(Path(sys.argv[1])))
client.request("w", ask())
begun.wait(20)
"""


@pytest.mark.parametrize("where", ["before it listens", "while it connects"])
def test_quitting_while_the_backend_starts_is_silent(tmp_path: Path, where: str) -> None:
    code = QUIT.format(where=where)
    host = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, timeout=30
    )
    assert host.stderr == b"" and host.returncode == 0
    backend = int(host.stdout)
    until(lambda: not alive(backend), 5.0)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"

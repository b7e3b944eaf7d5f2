# SPDX-License-Identifier: GPL-3.0-or-later
"""Run another program line by line, so that it can be cancelled and never outlives its host."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .errors import BackendError, Cancelled
from .process_group import group_for_this_system

POLL_S = 0.2

# The pipe on its stdin closes when the host ends, however it ends; the program is ended then.
# (Windows: the job object does that.) `3<&0` because sh gives background jobs no stdin.
_GUARD = (
    'exec 3<&0; "$@" 3<&- </dev/null & p=$!; (read -r _ <&3; kill -9 $p) >/dev/null 2>&1 & wait $p'
)


def run_child(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    cwd: Path,
    on_line: Callable[[str], None],
    cancel: threading.Event,
    on_wait: Callable[[], None] = lambda: None,
) -> int:
    """Run `command` to its end; its exit status. stdout and stderr come to `on_line` together.

    on_wait: called every POLL_S seconds, lines or not. Raises Cancelled when `cancel` is set or
    the host's main thread ends, BackendError when the system refuses to start the program.
    """
    words = [str(word) for word in command]
    if sys.platform != "win32":
        words = ["/bin/sh", "-c", _GUARD, "sh", *words]
    group = group_for_this_system()
    try:
        process = subprocess.Popen(
            words,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **group.popen_options(),
        )
    except OSError as error:
        raise BackendError(
            f"The system refused to start {command[0]} ({error.strerror}); allow it in your "
            "security software or choose another program."
        ) from error
    try:
        group.adopt(process)
        _pump(process, on_line, on_wait, cancel)
        return process.wait()
    finally:
        group.kill(process)
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
        group.close()


def _pump(
    process: subprocess.Popen[bytes],
    on_line: Callable[[str], None],
    on_wait: Callable[[], None],
    cancel: threading.Event,
) -> None:
    """Pass lines on until the program has ended."""
    lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    reader = threading.Thread(target=_read, args=(process, lines), name="worldfm-lines")
    reader.start()
    try:
        while True:
            if cancel.is_set() or not threading.main_thread().is_alive():
                raise Cancelled("The installation was cancelled; it can be continued later.")
            on_wait()
            try:
                line = lines.get(timeout=POLL_S)
            except queue.Empty:
                if process.poll() is not None and not reader.is_alive():
                    return
                continue
            if line is None:
                return
            on_line(line.decode("utf-8", "replace").rstrip())
    except BaseException:
        process.kill()
        raise


def _read(process: subprocess.Popen[bytes], lines: queue.SimpleQueue[bytes | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put(None)

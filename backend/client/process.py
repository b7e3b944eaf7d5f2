# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's process: how it is started, where its log goes, how it ends.

The contract with the child (`python -s -m backend serve --child`):
  stdin   one JSON line: token, settings, the log's path; its end tells the child to end
  stdout  one JSON line {"port": N} once it listens on 127.0.0.1; nothing after it
  stderr  the log file
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from ..shared.errors import BackendError
from ..shared.kernel_folder import KERNELS
from ..shared.log_file import read_log, rotate_closed
from ..shared.orphan import HOST
from ..shared.process_group import ProcessGroup, group_for_this_system
from .settings import LaunchSettings

START_LIMIT_S = 60.0


def child_environment(parent: Mapping[str, str], threads: int = 0) -> dict[str, str]:
    """The parent's environment without what would lead another Python astray."""
    drop = ("PYTHON", "__PYVENV_LAUNCHER__", "VIRTUAL_ENV", "CONDA_")
    environment = {k: v for k, v in parent.items() if not k.upper().startswith(drop)}
    # threads that spin at barriers starve each other when the host, too, keeps the cores busy
    environment.setdefault("OMP_WAIT_POLICY", "passive")
    if threads:
        environment["OMP_NUM_THREADS"] = str(threads)
    return environment


def open_log(folder: Path) -> IO[bytes]:
    """`backend.log` for appending; a full one first becomes backend.1.log, and so on.

    Raises BackendError when the folder cannot be written.
    """
    path = folder / "backend.log"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        rotate_closed(path)
        return open(path, "ab")
    except OSError as error:
        raise BackendError(
            f"The log {path} cannot be written ({error.strerror}); "
            "make the folder writable or choose another data folder."
        ) from error


class BackendProcess:
    """A running child. `port` is set once `wait_for_port` has returned."""

    def __init__(self, launch: LaunchSettings, token: str) -> None:
        """Start it. Raises BackendError when the interpreter or the log is refused."""
        self.port = 0
        self._late = False
        self._log = open_log(launch.data_dir / "logs")
        self.log_path = Path(self._log.name)
        self._log_start = self._log.tell()
        self._group: ProcessGroup = group_for_this_system()
        try:
            self._process = self._spawn(launch)
        except BaseException:
            self._log.close()
            raise
        try:
            self._group.adopt(self._process)
            self._tell(launch, token)
        except BaseException:
            self.kill()
            raise

    def _spawn(self, launch: LaunchSettings) -> subprocess.Popen[bytes]:
        command = [str(launch.python), "-s", "-X", "utf8", "-m", launch.package]
        try:
            return subprocess.Popen(
                [*command, "serve", "--child"],
                cwd=launch.root,
                env={
                    "WORLDFM_MODELS": str(launch.data_dir / "models"),
                    # the extension's own folder may be read-only
                    KERNELS: str(launch.data_dir / "kernels"),
                    HOST: str(os.getpid()),
                    **child_environment(os.environ, launch.threads),
                },
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                close_fds=True,
                **self._group.popen_options(),
            )
        except FileNotFoundError as error:
            raise BackendError(
                f"The backend's interpreter {launch.python} or the folder {launch.root} is "
                "missing; install or repair the backend in the preferences."
            ) from error
        except OSError as error:
            raise BackendError(
                f"The system refused to start {launch.python} ({error.strerror}); allow it in "
                "your security software or repair the backend in the preferences."
            ) from error

    def _tell(self, launch: LaunchSettings, token: str) -> None:
        settings = {
            "token": token,
            "model": launch.model,
            "device": launch.device,
            "dtype": launch.dtype,
            "gives_way": launch.gives_way,
            "log": str(self.log_path),
        }
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(settings).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            pass  # it died at once: wait_for_port reports why

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def wait_for_port(self) -> int:
        """Block until the child listens; its port. Raises BackendError, the child then is dead."""
        timer = threading.Timer(START_LIMIT_S, self._give_up)
        timer.daemon = True
        timer.start()
        assert self._process.stdout is not None
        try:
            self.port = int(json.loads(self._process.stdout.readline())["port"])
        except (ValueError, KeyError, TypeError, OSError) as error:
            self.kill()
            raise self.death() from error
        finally:
            timer.cancel()
        return self.port

    def _give_up(self) -> None:
        self._late = True
        self.kill()

    def stop(self, timeout: float) -> None:
        """Ask it to end by closing its stdin; kill it when it has not within `timeout` s."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):  # its end of the pipe may be gone already
                self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)
        self.kill()

    def kill(self) -> None:
        """End it and its children now, and let go of every handle. Harmless when repeated."""
        self._group.kill(self._process)
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            return  # in an uninterruptible system call: the system reaps it when it is over
        for stream in (self._process.stdin, self._process.stdout, self._log):
            try:
                if stream is not None:
                    stream.close()
            except OSError:
                pass  # bytes that were never read by the dead child
        self._group.close()

    def death(self) -> BackendError:
        """One sentence on why the child is dead, from its log."""
        if self._late:
            return BackendError(
                f"The backend did not start within {START_LIMIT_S:g} s; close other programs or "
                "let your security software trust its folder, then start it again."
            )
        return BackendError(explain(self._process.poll(), self.log_of_this_run(), self.log_path))

    def log_of_this_run(self) -> str:
        """What was logged since this child started (the last 64 KiB of it)."""
        return read_log(self.log_path, self._log_start)


def explain(code: int | None, log: str, log_path: Path) -> str:
    """One sentence for a child that ended with exit status `code` and left `log`."""
    told = re.findall(r"^Error: (.+)$", log, re.MULTILINE)
    if told:  # the child knew itself: backend/cli.py
        return str(told[-1]).strip()
    missing = re.findall(r"^ModuleNotFoundError: No module named '([^']+)'", log, re.MULTILINE)
    if missing:
        return (
            f"The backend's environment is incomplete ({missing[-1]} is missing); "
            "press Repair in the preferences."
        )
    broken = re.findall(r"^(?:ImportError|OSError): (.+)$", log, re.MULTILINE)
    if broken:
        return (
            f"A file of the backend's environment is missing or blocked ({broken[-1].strip()}); "
            "allow its folder in your security software, then press Repair in the preferences."
        )
    if code == -9:
        return (
            "The backend was ended by the system, most often for want of memory; close other "
            "programs, or lower the resolution or the anchors' density."
        )
    if code is not None and code < 0:
        return f"The backend was ended by the system (signal {-code}); see the log {log_path}."
    return f"The backend ended unexpectedly (exit status {code}); see the log {log_path}."

# SPDX-License-Identifier: GPL-3.0-or-later
"""The branches of Windows and macOS, on whichever system the tests run."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from backend.client import check_environment, file_lock, installer, trees
from backend.client.process import child_environment, open_log
from backend.client.trees import move_tree, prefixed, unlimited
from backend.serving import priority
from backend.serving.priority import give_way
from backend.shared import child_process, log_file
from backend.shared.errors import BackendError
from backend.shared.process_group import (
    ExtendedLimits,
    JobObject,
    PosixGroup,
    group_for_this_system,
)


class Kernel32:
    """Stands for Windows' library: records what is asked of it."""

    def __init__(self, refuse: str = "") -> None:
        self.calls: list[tuple] = []
        self.refuse = refuse
        self.flags = 0

    def __getattr__(self, name: str):
        def call(*arguments):
            self.calls.append((name, *arguments))
            if name == "SetInformationJobObject":
                _, kind, pointer, size = arguments
                assert kind == 9 and size == ctypes.sizeof(ExtendedLimits)
                limits = ctypes.cast(pointer, ctypes.POINTER(ExtendedLimits)).contents
                self.flags = limits.BasicLimitInformation.LimitFlags
            return 0 if name == self.refuse else 77

        return call

    def names(self) -> list[str]:
        return [call[0] for call in self.calls]


class WindowsProcess:
    """What JobObject uses of Windows' Popen."""

    _handle = 55
    killed = False

    def poll(self):
        return 1 if self.killed else None

    def kill(self) -> None:
        self.killed = True


def test_job_object_ends_its_processes_with_the_host() -> None:
    system, process = Kernel32(), WindowsProcess()
    job = JobObject(system)
    assert job.popen_options()["creationflags"] == 0x08000200
    job.adopt(process)  # type: ignore[arg-type]
    assert system.names() == [
        "CreateJobObjectW",
        "SetInformationJobObject",
        "AssignProcessToJobObject",
    ]
    assert system.flags == 0x2000  # JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
    assert system.calls[-1] == ("AssignProcessToJobObject", 77, 55)
    job.kill(process)  # type: ignore[arg-type]
    job.close()
    job.close()
    assert system.calls[-2:] == [("TerminateJobObject", 77, 1), ("CloseHandle", 77)]
    assert process.killed


@pytest.mark.skipif(ctypes.sizeof(ctypes.c_void_p) != 8, reason="64-bit layout")
def test_job_limits_have_the_systems_layout() -> None:
    assert ctypes.sizeof(ExtendedLimits) == 144  # winnt.h, x64
    assert ExtendedLimits.ProcessMemoryLimit.offset == 112


@pytest.mark.parametrize("refuse", ["CreateJobObjectW", "AssignProcessToJobObject"])
def test_without_a_job_the_process_is_still_ended(refuse: str) -> None:
    system, process = Kernel32(refuse), WindowsProcess()
    job = JobObject(system)
    job.adopt(process)  # type: ignore[arg-type]
    job.kill(process)  # type: ignore[arg-type]
    job.close()
    assert process.killed and "TerminateJobObject" not in system.names()
    assert ("CloseHandle" in system.names()) == (refuse != "CreateJobObjectW")


def test_the_group_of_each_system(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(group_for_this_system(), PosixGroup)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr("backend.shared.process_group._load_kernel32", Kernel32)
    assert isinstance(group_for_this_system(), JobObject)


@pytest.mark.parametrize(
    ("path", "long"),
    [
        ("C:\\Users\\Ä b\\x", "\\\\?\\C:\\Users\\Ä b\\x"),
        ("C:/Users/x", "\\\\?\\C:\\Users\\x"),
        ("\\\\server\\share\\x", "\\\\?\\UNC\\server\\share\\x"),
        ("\\\\?\\C:\\x", "\\\\?\\C:\\x"),
    ],
)
def test_long_windows_paths(path: str, long: str) -> None:
    assert prefixed(path) == long


def test_other_systems_have_no_limit(tmp_path: Path) -> None:
    assert unlimited(tmp_path) == tmp_path


def test_torchs_deepest_files_are_found_on_windows() -> None:
    deep = "C:\\Users\\Ä b\\" + "deep\\" * 60 + "LICENSE.txt"
    assert len(deep) > 260
    assert check_environment.unlimited(deep, "win32") == "\\\\?\\" + deep
    assert check_environment.unlimited("C:/a/../b", "win32") == "\\\\?\\C:\\b"
    assert check_environment.unlimited("\\\\server\\x", "win32") == "\\\\server\\x"
    assert check_environment.unlimited("/usr/lib/x", "linux") == "/usr/lib/x"


def test_the_interpreter_of_each_system(monkeypatch: pytest.MonkeyPatch) -> None:
    assert installer.interpreter(Path("e")) == Path("e/bin/python")
    monkeypatch.setattr(sys, "platform", "win32")
    assert installer.interpreter(Path("e")) == Path("e/Scripts/python.exe")


def test_windows_variables_in_any_case_do_not_reach_the_child() -> None:
    parent = {"PythonPath": "x", "Conda_Prefix": "x", "SystemRoot": "C:\\Windows", "Path": "p"}
    kept = child_environment(parent)
    assert kept.keys() - {"OMP_WAIT_POLICY"} == {"SystemRoot", "Path"}


def test_the_lock_on_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """msvcrt locks one byte, and raises OSError when another process has it."""
    held: list[tuple[int, int]] = []

    def locking(fd: int, mode: int, count: int) -> None:
        if held:
            raise OSError(36, "Resource deadlock avoided")
        held.append((mode, count))

    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(locking=locking, LK_NBLCK=2))
    monkeypatch.setattr(sys, "platform", "win32")
    with file_lock.only_one(tmp_path / "lock", "Busy; wait."):
        assert held == [(2, 1)]
        with (
            pytest.raises(BackendError, match="Busy"),
            file_lock.only_one(tmp_path / "lock", "Busy; wait."),
        ):
            pass


class Job(PosixGroup):
    """Writes down what is asked of a job object."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def popen_options(self) -> dict:
        return {}

    def adopt(self, process: subprocess.Popen[bytes]) -> None:
        self.calls.append("adopt")

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        self.calls.append("kill")
        process.kill()

    def close(self) -> None:
        self.calls.append("close")


def test_on_windows_a_child_is_started_as_it_is_in_a_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job, lines = Job(), []
    monkeypatch.setattr(child_process, "group_for_this_system", lambda: job)
    monkeypatch.setattr(child_process, "sys", SimpleNamespace(platform="win32"))
    status = child_process.run_child(
        [sys.executable, "-c", "import os; print(os.getppid())"],
        env=os.environ,
        cwd=Path.cwd(),
        on_line=lines.append,
        cancel=threading.Event(),
    )
    assert status == 0 and lines == [str(os.getpid())]  # no shell in between
    assert job.calls == ["adopt", "kill", "close"]


def test_a_log_that_another_backend_holds_open_is_appended_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_file, "LOG_BYTES", 10)

    def refused(*_: object) -> None:
        raise PermissionError(13, "The process cannot access the file")

    monkeypatch.setattr(log_file.os, "replace", refused)
    for _ in range(2):
        with open_log(tmp_path) as log:
            log.write(b"longer than ten bytes\n")
    assert (tmp_path / "backend.log").read_bytes().count(b"\n") == 2


def test_a_folder_that_cannot_be_renamed_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows refuses to rename a folder with an open file in it, and any system across disks."""
    source, target = tmp_path / "from", tmp_path / "to"
    (source / "models").mkdir(parents=True)
    (source / "models" / "mine").write_text("x")
    (source / "install.lock").touch()
    real = os.rename

    def rename(a: Path, b: Path) -> None:
        if a == source:
            raise PermissionError(13, "in use")
        real(a, b)

    monkeypatch.setattr(trees.os, "rename", rename)
    move_tree(source, target)
    assert (target / "models" / "mine").read_text() == "x"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["to"]
    assert not (target / "install.lock").exists()


def test_a_folder_that_cannot_be_copied_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "from", tmp_path / "to"
    source.mkdir()
    (source / "mine").write_text("x")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(trees.os, "rename", full)
    with pytest.raises(BackendError, match="it stays where it was, choose a place with enough"):
        move_tree(source, target)
    assert (source / "mine").read_text() == "x"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["from"]


def test_an_environment_in_use_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows: a running backend holds its files, so the new environment cannot take its place."""
    installation = installer.Installation(tmp_path)
    for name in ("environment", "environment.partial"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "which").write_text(name)
    real = os.replace

    def replace(a: Path, b: Path) -> None:
        if Path(a).name == "environment.partial":
            raise PermissionError(13, "in use")
        real(a, b)

    monkeypatch.setattr(installer.os, "replace", replace)
    with pytest.raises(BackendError, match="stop the backend in every Blender, then press"):
        installation._put_in_place(tmp_path / "environment.partial")
    assert (tmp_path / "environment" / "which").read_text() == "environment"
    assert (tmp_path / "environment.partial").exists()


def test_macs_refuse_to_signal_zombies(monkeypatch: pytest.MonkeyPatch) -> None:
    """EPERM for a group whose processes have all ended is no fault."""

    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "killpg", refused)
    PosixGroup().kill(SimpleNamespace(pid=1))  # type: ignore[arg-type]


class Priority:
    """Stands for psutil's view of a process on Windows, which may refuse."""

    def __init__(self, refuse: bool = False) -> None:
        self.refuse = refuse
        self.set: list[int] = []

    def nice(self, value: int) -> None:
        if self.refuse:
            raise psutil.AccessDenied
        self.set.append(value)


@pytest.mark.parametrize("refuse", [False, True])
def test_on_windows_the_host_goes_first_unless_that_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, refuse: bool
) -> None:
    process = Priority(refuse)
    monkeypatch.setattr(priority, "_AUTOGROUP", tmp_path / "nowhere")
    monkeypatch.setattr(psutil, "Process", lambda: process)
    monkeypatch.setattr(psutil, "BELOW_NORMAL_PRIORITY_CLASS", 0x4000, raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    give_way()
    assert process.set == ([] if refuse else [0x4000])
    assert not list(tmp_path.iterdir())

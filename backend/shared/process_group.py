# SPDX-License-Identifier: GPL-3.0-or-later
"""A child and all that it starts, ended together: a process group, or a job object on Windows."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from typing import Any, Protocol


class ProcessGroup(Protocol):
    def popen_options(self) -> dict[str, Any]:
        """Arguments of Popen."""

    def adopt(self, process: subprocess.Popen[bytes]) -> None:
        """Put the child that was just started into the group."""

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """End everything in the group; harmless when it has ended."""

    def close(self) -> None:
        """Let go of the group's handle."""


def group_for_this_system() -> ProcessGroup:
    """The kind of group this system has."""
    return JobObject() if sys.platform == "win32" else PosixGroup()


class PosixGroup:
    """A session of its own: Ctrl-C in the host's terminal does not reach the child."""

    def popen_options(self) -> dict[str, Any]:
        return {"start_new_session": True}

    def adopt(self, process: subprocess.Popen[bytes]) -> None:
        pass

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        # all of it has ended already; macOS says EPERM for zombies
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)

    def close(self) -> None:
        pass


_CREATE_NO_WINDOW = 0x08000000
_CREATE_NEW_PROCESS_GROUP = 0x00000200
_EXTENDED_LIMIT_INFORMATION = 9
_KILL_ON_JOB_CLOSE = 0x2000


class _BasicLimits(ctypes.Structure):
    """JOBOBJECT_BASIC_LIMIT_INFORMATION."""

    _fields_ = (
        ("PerProcessUserTimeLimit", ctypes.c_int64),
        ("PerJobUserTimeLimit", ctypes.c_int64),
        ("LimitFlags", ctypes.c_uint32),
        ("MinimumWorkingSetSize", ctypes.c_size_t),
        ("MaximumWorkingSetSize", ctypes.c_size_t),
        ("ActiveProcessLimit", ctypes.c_uint32),
        ("Affinity", ctypes.c_size_t),
        ("PriorityClass", ctypes.c_uint32),
        ("SchedulingClass", ctypes.c_uint32),
    )


class ExtendedLimits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION (with IO_COUNTERS in its middle)."""

    _fields_ = (
        ("BasicLimitInformation", _BasicLimits),
        ("IoInfo", ctypes.c_uint64 * 6),
        ("ProcessMemoryLimit", ctypes.c_size_t),
        ("JobMemoryLimit", ctypes.c_size_t),
        ("PeakProcessMemoryUsed", ctypes.c_size_t),
        ("PeakJobMemoryUsed", ctypes.c_size_t),
    )


class JobObject:
    """A job that ends its processes when its last handle closes, so also when the host dies."""

    def __init__(self, kernel32: Any = None) -> None:
        """kernel32: the system's library, or what stands for it in a test."""
        self._kernel32 = kernel32 or _load_kernel32()
        self._job: int | None = None

    def popen_options(self) -> dict[str, Any]:
        return {"creationflags": _CREATE_NO_WINDOW | _CREATE_NEW_PROCESS_GROUP}

    def adopt(self, process: subprocess.Popen[bytes]) -> None:
        job = self._kernel32.CreateJobObjectW(None, None)
        if not job:
            return  # no job to be had: the child still ends when its stdin closes
        limits = ExtendedLimits()
        limits.BasicLimitInformation.LimitFlags = _KILL_ON_JOB_CLOSE
        handle = int(process._handle)  # type: ignore[attr-defined]  # only Windows' Popen has it
        if not (
            self._kernel32.SetInformationJobObject(
                job, _EXTENDED_LIMIT_INFORMATION, ctypes.byref(limits), ctypes.sizeof(limits)
            )
            and self._kernel32.AssignProcessToJobObject(job, handle)
        ):
            self._kernel32.CloseHandle(job)
            return
        self._job = job

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        if self._job is not None:
            self._kernel32.TerminateJobObject(self._job, 1)
        if process.poll() is None:
            process.kill()

    def close(self) -> None:
        if self._job is not None:
            self._kernel32.CloseHandle(self._job)
            self._job = None


def _load_kernel32() -> Any:
    kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined]
    handle = ctypes.c_void_p
    kernel32.CreateJobObjectW.restype = handle
    kernel32.CreateJobObjectW.argtypes = [handle, ctypes.c_wchar_p]
    kernel32.SetInformationJobObject.argtypes = [handle, ctypes.c_int, handle, ctypes.c_uint32]
    kernel32.AssignProcessToJobObject.argtypes = [handle, handle]
    kernel32.TerminateJobObject.argtypes = [handle, ctypes.c_uint]
    kernel32.CloseHandle.argtypes = [handle]
    return kernel32

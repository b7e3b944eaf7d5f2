# SPDX-License-Identifier: GPL-3.0-or-later
"""A backend never outlives its host, however that ends, not even when it is stopped itself.

The host's end of the pipe to standard input tells of it everywhere (`commands/serve.py`); what is
here does not wait for this process to look. Standard library only, and quick: it comes first.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import threading
from typing import Any

HOST = "WORLDFM_HOST"
"""Environment variable with the number of the process that starts a backend."""
_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Have the system end this process as soon as its parent has ended, where the system can.

    Linux kills it, stopped or not; macOS and BSD tell a thread. Windows' job object does the same
    from the other side (`shared/process_group.py`).
    """
    parent = os.getppid() if hasattr(os, "getppid") else 0
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:  # it ended in between
            os._exit(0)
    elif sys.platform != "win32" and hasattr(select, "kqueue"):
        threading.Thread(target=_wait_for_end, args=(parent,), daemon=True).start()
    if _host_is_gone(parent):
        os._exit(0)


def _host_is_gone(parent: int) -> bool:
    """Whether the host ended before this process could ask for anything.

    A Python may be a script that starts another: then the parent is not the host, which lives.
    """
    host = os.environ.pop(HOST, "")
    if sys.platform == "win32" or not host.isdecimal() or int(host) == parent:
        return False
    try:
        os.kill(int(host), 0)
    except ProcessLookupError:
        return True
    except OSError:  # it is somebody else's by now
        return True
    try:
        with open(f"/proc/{host}/stat", encoding="utf-8", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False


def _wait_for_end(parent: int) -> None:
    kernel: Any = select  # these are in macOS and the BSDs alone
    queue = kernel.kqueue()
    event = kernel.kevent(
        parent, kernel.KQ_FILTER_PROC, kernel.KQ_EV_ADD, fflags=kernel.KQ_NOTE_EXIT
    )
    with contextlib.suppress(OSError):  # the parent has ended already
        queue.control([event], 1, None)
    os._exit(0)

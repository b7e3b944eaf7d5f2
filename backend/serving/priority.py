# SPDX-License-Identifier: GPL-3.0-or-later
"""Leaves the processor to the program that the user looks at."""

from __future__ import annotations

import contextlib
import logging
import sys
from pathlib import Path

import psutil

NICENESS = 5
"""A third of the processor time of a program that wants as much; all of it when none does."""
_AUTOGROUP = Path("/proc/self/autogroup")

_log = logging.getLogger(__name__)


def give_way() -> None:
    """Let other programs' threads go first from now on. Call before threads are started.

    Linux shares processor time between terminals' and services' groups first: there a process that
    leads a session of its own must lower the group as well.
    """
    process = psutil.Process()
    try:
        if sys.platform == "win32":
            process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        else:
            process.nice(min(19, process.nice() + NICENESS))
    except (psutil.Error, OSError) as error:
        _log.info("the priority stays as it is: %s", error)
    with contextlib.suppress(OSError):  # only Linux has it, and not every one
        if _AUTOGROUP.exists():
            _AUTOGROUP.write_text(str(NICENESS))

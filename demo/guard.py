# SPDX-License-Identifier: GPL-3.0-or-later
"""Work in a process of its own that Ctrl-C ends at once, with results put in place when whole.

Cycles swallows signals while it renders, so the process that renders cannot stop itself.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

STOPPED = 130
"""What shells see of a command that Ctrl-C ended."""


def run_guarded(command: list[str], output: Path, what: str) -> int:
    """Runs `command` with WORLDFM_DEMO_FOLDER set to a new folder in `output`, and puts what it
    left there into `output` when it ends with 0; else `output` stays as it was, but for the log.

    Returns the command's exit status, STOPPED after Ctrl-C or a request to end.
    """
    output.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(dir=output, prefix=".unfinished-") as folder:
        process = subprocess.Popen(
            command,
            env={**os.environ, "WORLDFM_DEMO_FOLDER": folder},
            start_new_session=os.name == "posix",
        )
        try:
            status = process.wait()
        except KeyboardInterrupt:
            _end(process)
            sys.stderr.write(f"\nStopped; {what} in {output} is as it was before.\n")
            return STOPPED
        log = Path(folder, "blender.log")
        if status == 0:
            put_in_place(Path(folder), output)
        elif log.exists():
            log.replace(output / log.name)
    return status


def _end(process: subprocess.Popen) -> None:
    if os.name == "posix":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def put_in_place(source: Path, target: Path) -> None:
    """Moves each file and folder of `source` over its namesake in `target`; others there stay."""
    for made in sorted(source.iterdir()):
        old = target / made.name
        if old.is_dir():
            aside = target / f".old-{made.name}"
            shutil.rmtree(aside, ignore_errors=True)
            old.replace(aside)
            made.replace(old)
            shutil.rmtree(aside, ignore_errors=True)
        else:
            made.replace(old)

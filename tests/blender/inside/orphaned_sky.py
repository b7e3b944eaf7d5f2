# SPDX-License-Identifier: GPL-3.0-or-later
"""A Blender is killed while one beside it renders its world: `orphaned_sky.py FOLDER`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import bpy
import extension

FOLDER = Path(sys.argv[1])
GONE_SECONDS = 2.0
ENDLESS = "import time; print('Up', flush=True); time.sleep(600)"


def host() -> dict[str, Any]:
    """Begins a world's picture that never comes."""
    module = extension.part("scene_sync.world_render")
    module.blender_command = lambda: [sys.executable, "-c", ENDLESS, str(FOLDER)]
    render = module.WorldRender(bpy.data.worlds.new("Endless"), 1)
    print("begun", flush=True)
    return {"pixels": render.pixels().shape}


def main() -> dict[str, Any]:
    """Kills a Blender that waits for a world, and counts what is left of it."""
    command = [sys.executable, __file__, str(FOLDER), "host"]
    temporary = {**os.environ, "TMPDIR": str(FOLDER)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=temporary)
    assert process.stdout is not None
    while process.stdout.readline() not in (b"begun\n", b""):
        pass
    end = time.monotonic() + 60
    while not left() and time.monotonic() < end:
        time.sleep(0.05)
    found: dict[str, Any] = {"running": len(left()), "folders": len(folders())}
    process.send_signal(signal.SIGKILL)
    process.wait()
    end = time.monotonic() + GONE_SECONDS
    while left() and time.monotonic() < end:
        time.sleep(0.05)
    found["orphans"] = left()
    with extension.part("backend.shared.leftovers").temporary_folder():
        found["folders after"] = len(folders())
    return found


def left() -> list[str]:
    """The commands of what renders the world."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue  # it ended meanwhile
        if str(FOLDER) in words and ENDLESS in words:
            found.append(words[0])
    return found


def folders() -> list[Path]:
    """What worlds are rendered in."""
    return list(FOLDER.glob("worldfm-sky-*"))


extension.run(host if sys.argv[2:] == ["host"] else main)

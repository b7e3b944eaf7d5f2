# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender itself: killed while it captures, paints, exports and saves; and strangers' .blend files.

Needs the bpy module in .venv-blender; without it these faults are left out.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from tests.blender.conftest import INSIDE, ROOT, bpy_pythons

from .process import orphans
from .report import Report

LOOKS = 10
"""Folders that one Blender looks at."""


class _Blender:
    """Scripts in the bpy module, with a user's folder of their own."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def start(self, *words: object) -> subprocess.Popen[str]:
        """What it prints comes through one pipe."""
        keep = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "BLENDER"))}
        return subprocess.Popen(
            [bpy_pythons()[0], INSIDE / "attack.py", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={
                **keep,
                "BLENDER_USER_RESOURCES": str(self._place / "user"),
                "WORLDFM_PYTHON": sys.executable,
                "OMP_NUM_THREADS": "1",
                "NUMBA_CACHE_DIR": str(ROOT / "outputs" / "kernels"),
            },
        )

    def run(self, *words: object) -> dict[str, Any]:
        """What a script found."""
        said = self.start(*words).communicate(timeout=900)[0]
        found: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
        if "traceback" in found:
            raise AssertionError(found["traceback"])
        return found


def deaths_of_blender(count: int, report: Report, chance: random.Random) -> None:
    """`count` Blenders are killed in the middle of their work."""
    if not bpy_pythons():
        return
    with tempfile.TemporaryDirectory(prefix="attack-") as name:
        place = Path(name)
        blender, whole = _Blender(place), place / "whole"
        whole.mkdir()
        blender.run("prepare", whole)
        takes = _time_of_work(blender, whole, place / "first")
        folders, left = [], []
        for number in range(count):
            folder = place / f"work{number}"
            shutil.copytree(whole, folder)
            left.append(_killed(blender, folder, chance.uniform(0, takes)))
            folders.append(folder)
        states: list[str] = []
        for at in range(0, count, LOOKS):
            states += blender.run("look", *folders[at : at + LOOKS])["states"]
        for state, wrong in zip(states, left, strict=True):
            report.add("Blender killed", wrong + ([state] if state not in ("old", "new") else []))


def _time_of_work(blender: _Blender, whole: Path, folder: Path) -> float:
    """Seconds from the file's opening to the end of the work."""
    shutil.copytree(whole, folder)
    process = blender.start("work", folder)
    _begun(process)
    began = time.monotonic()
    said = process.communicate(timeout=900)[0]
    took = time.monotonic() - began
    states = blender.run("look", folder)["states"]
    if process.returncode or states != ["new"]:
        raise AssertionError(f"Blender's work does not do itself: {states} {said[-2000:]}")
    return took


def _killed(blender: _Blender, folder: Path, after: float) -> list[str]:
    known = {child.pid for child in psutil.Process().children()}
    process = blender.start("work", folder)
    _begun(process)
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    said = process.communicate()[0]
    wrong = ["traceback: " + said[-600:]] if "Traceback" in said else []
    return wrong + orphans(known)


def _begun(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == "begun":
            return


def attributes(count: int, report: Report, chance: random.Random) -> None:
    """`count` values of a .blend that no Blender of ours would write."""
    if not bpy_pythons():
        return
    with tempfile.TemporaryDirectory(prefix="attack-") as name:
        found = _Blender(Path(name)).run("attributes", chance.randrange(2**31), count)
    for _ in range(count - len(found["wrong"])):
        report.add(".blend attribute", [])
    for wrong in found["wrong"]:
        report.add(".blend attribute", [wrong])
    report.figures[".blend attributes answered with a sentence"] = found["refused"]

# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender itself while it captures, paints, bakes and saves: killed, or on a disk that fills up;
and strangers' .blend files.

Needs the bpy module in .venv-blender; without it these faults are left out.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.blender.conftest import INSIDE, ROOT, bpy_pythons

from .cut import LEAST_ROOM, ROOM, disk, used
from .process import orphans
from .report import LATE, Report
from .works import leftovers

WORKS = ("capture", "paint", "bake", "save")
LOOKS = 10
"""Folders that one Blender looks at; the work is done again in the last of them."""
WAITING = 3
"""Blenders that have started and wait for the next moment."""
ANSWER = "answer: "


class _Blender:
    """Scripts in the bpy module, with a user's folder and a temporary one of their own."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self.whole, self.temporary = place / "whole", place / "tmp"
        for folder in (self.whole, self.temporary):
            folder.mkdir()
        self.run("prepare", self.whole)

    def start(self, *words: object) -> subprocess.Popen[str]:
        """What it prints comes through one pipe, what it is told through another."""
        keep = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "BLENDER"))}
        return subprocess.Popen(
            [bpy_pythons()[0], INSIDE / "attack.py", *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={
                **keep,
                "BLENDER_USER_RESOURCES": str(self._place / "user"),
                "WORLDFM_PYTHON": sys.executable,
                "TMPDIR": str(self.temporary),
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

    def copy(self, folder: Path) -> Path:
        """The whole state, in a folder of its own."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.whole, folder)
        return folder


class _Worker:
    """One Blender that does a work, again and again as long as it lives."""

    def __init__(self, blender: _Blender, name: str) -> None:
        """Starts it; others may be busy meanwhile."""
        self.process = blender.start("works", name)
        self._temporary = blender.temporary

    def begin(self, folder: Path, temporary: Path | None = None) -> None:
        """Waits until it has opened the file."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{folder} {temporary or self._temporary}\n")
        self.process.stdin.flush()
        self._hear("begun")

    def answer(self) -> list[str]:
        """Waits for the end; what is wrong with how it answers."""
        said = self._hear(ANSWER)
        return _answered(said, said.rpartition(ANSWER)[2])

    def _hear(self, begin: str) -> str:
        assert self.process.stdout is not None
        said = ""
        for line in self.process.stdout:
            said += line
            if line.startswith(begin):
                break
        return said

    def end(self) -> None:
        """No more is to be done."""
        self.process.communicate(timeout=60)


def _answered(said: str, answer: str) -> list[str]:
    if "Traceback" in said:
        return ["traceback: " + said[said.index("Traceback") :][:900]]
    try:
        refused = json.loads(answer)["refused"].strip()
    except (ValueError, KeyError):
        return [f"crash: {said[-600:]}"]
    if refused and (not refused.endswith(".") or "\n" in refused):
        return [f"no sentence: {refused[:300]!r}"]
    return []


@contextmanager
def _blender() -> Iterator[_Blender]:
    with tempfile.TemporaryDirectory(prefix="attack-") as name:
        yield _Blender(Path(name))


def deaths_of_blender(count: int, report: Report, chance: random.Random) -> None:
    """Each work is cut off by `count` kills; those that came too late are told apart."""
    if not bpy_pythons():
        return
    with _blender() as blender:
        for name in WORKS:
            waiting: deque[_Worker] = deque()
            takes = _time_of_work(blender, name)
            report.figures[f"seconds that {name} takes in Blender"] = round(takes, 3)
            kind, late = f"kill: {name} in Blender", f"{LATE}: {name} in Blender"
            goal = report.faults[kind] + count
            while report.faults[kind] < goal:
                killed = []
                for number in range(min(LOOKS, goal - report.faults[kind])):
                    while len(waiting) < WAITING:
                        waiting.append(_Worker(blender, name))
                    folder = blender.copy(blender.whole.with_name(f"work{number}"))
                    after = chance.uniform(0, takes)
                    killed.append((folder, *_killed(waiting.popleft(), folder, after)))
                states = blender.run("look", name, *(one[0] for one in killed))["states"]
                killed[-1][2].extend(_again(blender, name, killed[-1][0], states[-1]))
                for (_, was_done, wrong), state in zip(killed, states, strict=True):
                    if state not in (("new",) if was_done else ("old", "new")):
                        wrong.append(state if state != "old" else "file lost: it is not there")
                    report.add(late if was_done else kind, wrong)
            for worker in waiting:
                worker.end()


def _time_of_work(blender: _Blender, name: str) -> float:
    """Seconds from the file's opening to the end of the work, when all of it is in the cache."""
    took = 0.0
    for _ in range(2):
        worker = _Worker(blender, name)
        folder = blender.copy(blender.whole.with_name("first"))
        worker.begin(folder)
        began = time.monotonic()
        wrong = worker.answer()
        took = time.monotonic() - began
        worker.end()
        states = blender.run("look", name, folder)["states"]
        if wrong or states != ["new"]:
            raise AssertionError(f"Blender's {name} does not do itself: {states} {wrong}")
    return took


def _killed(worker: _Worker, folder: Path, after: float) -> tuple[bool, list[str]]:
    """Whether it was done before the kill, and what is wrong at once."""
    known = {child.pid for child in psutil.Process().children()}
    worker.begin(folder)
    time.sleep(after)
    worker.process.kill()
    said = worker.process.communicate()[0]
    wrong = ["traceback: " + said[-600:]] if "Traceback" in said else []
    return ANSWER in said, wrong + orphans(known)


def _again(blender: _Blender, name: str, folder: Path, state: str) -> list[str]:
    """The next time it is done it succeeds, and clears what dead Blenders left."""
    if state == "new":
        return []
    worker = _Worker(blender, name)
    worker.begin(folder)
    wrong = worker.answer()
    worker.end()
    state = blender.run("look", name, folder)["states"][0]
    wrong += [] if state == "new" else [f"the next time: {state}"]
    left = [path.name for path in blender.temporary.glob("worldfm*")] if name == "bake" else []
    return wrong + leftovers(folder) + [f"left behind: {one}" for one in left]


def full_disks_of_blender(count: int, report: Report, chance: random.Random) -> None:
    """Each work, `count` times, where a part of it has room; every other time the temporary folder
    is on the same disk."""
    if not bpy_pythons():
        return
    with _blender() as blender, disk(blender.whole.with_name("disk")) as resized:
        if resized is None:
            return  # a limit of file sizes would hold for Blender's own files too
        for name in WORKS:
            worker = _Worker(blender, name)
            needed = _needed(blender, worker)
            for first in range(0, count, LOOKS):
                done = []
                for number in range(first, min(first + LOOKS, count)):
                    room = LEAST_ROOM + int(chance.random() * needed * 0.9)
                    done.append(_confined(blender, worker, number, room, resized))
                folders = [folder for folder, _ in done]
                states = blender.run("look", name, *folders)["states"]
                done[-1][1].extend(_again(blender, name, folders[-1], states[-1]))
                for (_, wrong), state in zip(done, states, strict=True):
                    wrong += [] if state in ("old", "new") else [state]
                    report.add(f"full disk: {name} in Blender", wrong)
            worker.end()


def _confined(
    blender: _Blender, worker: _Worker, number: int, room: int, resized: Callable[[int], None]
) -> tuple[Path, list[str]]:
    """What the full disk held in the end, on one with room; and what is wrong at once."""
    place = blender.whole.with_name("disk")
    temporary = place / "tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    folder = blender.copy(place / "work")
    resized(used(place) + room)
    worker.begin(folder, temporary if number % 2 else None)
    wrong = worker.answer()
    resized(ROOM)
    kept = blender.whole.with_name(f"full{number % LOOKS}")
    shutil.rmtree(kept, ignore_errors=True)
    return Path(shutil.copytree(folder, kept)), wrong


def _needed(blender: _Blender, worker: _Worker) -> int:
    """Bytes that the work takes beyond what is there."""
    folder = blender.copy(blender.whole.with_name("disk") / "work")
    before = used(folder)
    worker.begin(folder)
    wrong = worker.answer()
    if wrong:
        raise AssertionError(f"Blender's work does not do itself: {wrong}")
    return max(used(folder) - before, 64 << 10)


def attributes(count: int, report: Report, chance: random.Random) -> None:
    """`count` values of a .blend that no Blender of ours would write."""
    if not bpy_pythons():
        return
    with _blender() as blender:
        found = blender.run("attributes", chance.randrange(2**31), count)
    for _ in range(count - len(found["wrong"])):
        report.add(".blend attribute", [])
    for wrong in found["wrong"]:
        report.add(".blend attribute", [wrong])
    report.figures[".blend attributes answered with a sentence"] = found["refused"]

# SPDX-License-Identifier: GPL-3.0-or-later
"""Works that are killed at random moments, and works on disks that fill up."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from backend.shared.errors import WorldFMError

from .process import Ended, in_child
from .report import LATE, Report
from .works import Work, leftovers

MEGABYTE = 1 << 20
ROOM = 256 * MEGABYTE
LEAST_ROOM = 16 << 10


def _copy(whole: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole, folder, symlinks=True)


def _sentence(ended: Ended) -> list[str]:
    """What is wrong with the words of a work that was refused."""
    lines = [line for line in ended.said.strip().splitlines() if line.startswith("Error: ")]
    good = ended.status in (1, 2) and len(lines) == 1 and lines[0].endswith((".", ")"))
    return [] if good or ended.status == 0 or ended.wrong else [f"no sentence: {ended.said[-300:]}"]


def _told(work: Work, folder: Path) -> Callable[[], None]:
    """The work, whose refusal is told as the command line tells it."""

    def do() -> None:
        try:
            work.do(folder)
        except WorldFMError as error:
            print(f"Error: {error}")
            raise SystemExit(1) from error

    return do


def _again(work: Work, folder: Path, log: Path) -> list[str]:
    """The next time it is done it succeeds, and clears what was left."""
    if work.state(folder) == "new":
        return []
    ended = in_child(_told(work, folder), log)
    state = work.state(folder)
    wrong = [*ended.wrong]
    if state != "new":
        wrong.append(f"the next time: {state} {ended.said[-300:]}")
    return wrong + leftovers(folder)


def kills(work: Work, count: int, report: Report, chance: random.Random) -> None:
    """`count` kills of the process that does it; old state whole or new one, and then again.

    Those that came too late are told apart.
    """
    kind = f"kill: {work.name}"
    with tempfile.TemporaryDirectory(prefix="attack-") as place:
        whole, folder, log = Path(place, "whole"), Path(place, "work"), Path(place, "log")
        whole.mkdir()
        work.prepare(whole)
        takes = _time_of(work, whole, folder, log)
        report.figures[f"seconds that {work.name} takes"] = round(takes, 3)
        goal = report.faults[kind] + count
        while report.faults[kind] < goal:
            number = report.faults[kind]
            _copy(whole, folder)
            ended = in_child(_told(work, folder), log, chance.uniform(0, takes))
            state = work.state(folder)
            wrong = list(ended.wrong)
            if state not in ("old", "new") or (not ended.killed and state != "new"):
                wrong.append(state if state != "old" else "file lost: done, but not there")
            if number % 4 == 0:
                wrong += _again(work, folder, log)
            report.add(kind if ended.killed else f"{LATE}: {work.name}", wrong)


def _time_of(work: Work, whole: Path, folder: Path, log: Path) -> float:
    """Seconds that it takes when nothing happens, and what it reads is in the cache."""
    takes = 0.0
    for _ in range(2):
        _copy(whole, folder)
        first = in_child(_told(work, folder), log)
        takes = first.took
        if work.state(folder) != "new":
            raise AssertionError(f"{work.name} does not work by itself: {first.said}")
    return takes


@contextmanager
def disk(folder: Path) -> Iterator[Callable[[int], None] | None]:
    """A disk of its own at `folder`, and what sets its size; None where there is none to be had."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "attack", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        yield None
        return

    def resized(size: int) -> None:
        mount = ["mount", "-o", f"remount,size={size}", str(folder)]
        subprocess.run(mount, check=True, capture_output=True)

    try:
        yield resized
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def used(folder: Path) -> int:
    """Bytes that are taken of the disk a folder lies on."""
    room = os.statvfs(folder)
    return (room.f_blocks - room.f_bfree) * room.f_frsize


def full_disks(work: Work, count: int, report: Report, chance: random.Random) -> None:
    """The work on a disk that has room for a part of it: refused in a sentence, nothing lost."""
    with tempfile.TemporaryDirectory(prefix="attack-") as place:
        whole, log = Path(place, "whole"), Path(place, "log")
        whole.mkdir()
        work.prepare(whole)
        with disk(Path(place, "disk")) as resized:
            folder = Path(place, "disk", "work")
            needed = _needed(work, whole, folder, log)
            for _ in range(count):
                _copy(whole, folder)
                room = LEAST_ROOM + int(chance.random() * needed * 0.9)
                ended = _confined(work, folder, log, room, resized)
                state = work.state(folder)
                wrong = ended.wrong + _sentence(ended)
                if state not in ("old", "new") or (ended.status == 0 and state != "new"):
                    wrong.append(state)
                wrong += _again(work, folder, log)
                report.add(f"full disk: {work.name}", wrong)


def _needed(work: Work, whole: Path, folder: Path, log: Path) -> int:
    """Bytes that the work takes beyond what is there."""
    _copy(whole, folder)
    before = used(folder)
    in_child(_told(work, folder), log)
    return max(used(folder) - before, 64 << 10)


def _confined(
    work: Work, folder: Path, log: Path, room: int, resized: Callable[[int], None] | None
) -> Ended:
    """Without a disk of its own: no file may grow beyond what there is room for."""
    if resized is not None:
        resized(used(folder) + room)
        try:
            return in_child(_told(work, folder), log)
        finally:
            resized(ROOM)

    def do() -> None:
        with contextlib.suppress(ValueError):
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
        _told(work, folder)()

    return in_child(do, log)

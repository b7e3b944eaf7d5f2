# SPDX-License-Identifier: GPL-3.0-or-later
"""Damaged files to the command line, as a user gives them: a sentence, and nothing is changed."""

from __future__ import annotations

import hashlib
import random
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.mutate import mutated
from tests.fuzz.targets import TARGETS

from .process import HANG_SECONDS, in_child
from .report import Report
from .works import worldfm

SIZE = "32x24"


@dataclass(frozen=True)
class Given:
    """A target of the fuzzers, and the command that reads it; "{}" is the folder."""

    target: str
    words: tuple[str, ...]


GIVEN = [
    Given("world folder", ("world", "export", "{}/w", "--ply", "{}/new/out.ply")),
    Given("world folder", ("world", "export", "{}/w", "--mesh", "{}/new/out.glb")),
    Given("capture", ("world", "build", "--dataset", "{}/set", "-o", "{}/new/w")),
    Given("photo", ("world", "build", "--image", "{}/photo.png", "-o", "{}/new/w")),
    Given("point cloud", ("world", "build", "--ply", "{}/binary.ply", "-o", "{}/new/w")),
    Given("point cloud", ("world", "build", "--ply", "{}/text.ply", "-o", "{}/new/w")),
    Given("splats", ("world", "build", "--ply", "{}/splats.ply", "-o", "{}/new/w")),
    Given("mesh", ("world", "build", "--ply", "{}/box.glb", "-o", "{}/new/w")),
    Given("meta.json", ("path", "from", "{}/meta/meta.json", "-o", "{}/new/p.json")),
    Given("fspy", ("path", "from", "{}/a.fspy", "-o", "{}/new/p.json")),
    Given("camera path", ("path", "from", "{}/p.json", "-o", "{}/new/p.json")),
    Given("frame to keep", ("world", "complete", "{}/a.npz", "-o", "{}/new/b.npz")),
]  # fmt: skip


def damaged_files(count: int, report: Report, chance: random.Random) -> None:
    """`count` commands, each with one damaged file."""
    with tempfile.TemporaryDirectory(prefix="attack-") as place:
        for number in range(count):
            given = GIVEN[number % len(GIVEN)]
            whole, folder = Path(place, given.target), Path(place, "work")
            if not whole.exists():
                whole.mkdir()
                TARGETS[given.target].make(whole)
            wrong = _one(given, whole, folder, Path(place, "log"), chance)
            report.add(f"damaged {given.target}", wrong)


def _one(given: Given, whole: Path, folder: Path, log: Path, chance: random.Random) -> list[str]:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole, folder, symlinks=True)
    files = TARGETS[given.target].files(folder)
    named = [path for path in files if str(path) in _words(given, folder)]
    victim = chance.choice(named or files)
    victim.write_bytes(mutated(victim.read_bytes(), chance))
    (folder / "new").mkdir()
    before = _prints(folder)
    ended = in_child(_command(given, folder), log)
    wrong = list(ended.wrong)
    if ended.seconds > HANG_SECONDS:
        wrong.append(f"hang: {ended.seconds:.1f} s of a processor")
    lines = [line for line in ended.said.splitlines() if line.startswith("Error: ")]
    if ended.status not in (0, 1, 2) or (ended.status and len(lines) != 1):
        wrong.append(f"no sentence: status {ended.status}, {ended.said[-300:]!r}")
    after = _prints(folder)
    wrong += [f"file lost: {name}" for name in before if after.get(name) != before[name]]
    if ended.status:
        wrong += [f"left behind: {name}" for name in after.keys() - before.keys()]
    return wrong


def _words(given: Given, folder: Path) -> list[str]:
    return [word.format(folder) for word in given.words]


def _command(given: Given, folder: Path) -> Callable[[], None]:
    return lambda: worldfm(*_words(given, folder))


def _prints(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }

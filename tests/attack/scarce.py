# SPDX-License-Identifier: GPL-3.0-or-later
"""Little memory, few files, no shared memory, no temporary folder: a sentence, no flood."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.client.conftest import ROOT
from tests.fuzz.targets import TARGETS

from .report import Report

GIGABYTE = 1 << 30
MOST_SAID = 4000


@dataclass(frozen=True)
class Scarcity:
    """shell: what takes it away before the command ("$@") is run. may_work: it need not fail."""

    name: str
    shell: str
    may_work: bool = True


SCARCITIES = [
    Scarcity("1 GB of addresses", "ulimit -v 1048576; \"$@\"", may_work=False),
    Scarcity("2 GB of addresses", "ulimit -v 2097152; \"$@\""),
    Scarcity("64 files", "ulimit -n 64; \"$@\""),
    Scarcity("24 files", "ulimit -n 24; \"$@\""),
    Scarcity("no /dev/shm", "unshare -m sh -c 'umount -l /dev/shm; exec \"$@\"' sh \"$@\""),
    Scarcity("no temporary folder", "TMPDIR=/nowhere \"$@\""),
    Scarcity("no home", "HOME=/nowhere XDG_CACHE_HOME=/nowhere \"$@\""),
    Scarcity("no output", "\"$@\" >/dev/full"),
    Scarcity("a reader that left", "\"$@\" | true"),
]  # fmt: skip

COMMANDS: list[Callable[[Path], list[str]]] = [
    lambda f: ["world", "build", "--ply", f"{f}/binary.ply", "-o", f"{f}/new", "--overwrite"],
    lambda f: ["render", f"{f}/w", "--cameras", f"{f}/p.json", "-o", f"{f}/out", "--size", "64x48"],
    lambda f: ["models", "list"],
    lambda f: ["doctor"],
]


def few_resources(count: int, report: Report, chance: random.Random) -> None:
    """`count` commands, each in want of something."""
    with tempfile.TemporaryDirectory(prefix="attack-") as place:
        folder = Path(place)
        for name in ("point cloud", "world folder", "camera path"):
            TARGETS[name].make(folder)
        for number in range(count):
            scarcity = SCARCITIES[number % len(SCARCITIES)]
            command = COMMANDS[number // len(SCARCITIES) % len(COMMANDS)](folder)
            report.add(f"scarce: {scarcity.name}", _one(scarcity, command))


def _one(scarcity: Scarcity, command: list[str]) -> list[str]:
    done = subprocess.run(
        ["bash", "-c", scarcity.shell, "bash", sys.executable, "-m", "backend", *command],
        capture_output=True,
        text=True,
        errors="replace",
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=300,
    )
    said, wrong = done.stderr, []
    what = f"{' '.join(command[:2])}, status {done.returncode}: {said[-500:]!r}"
    if "Traceback (most recent call last)" in said:
        wrong.append(f"traceback: {what}")
    elif len(said) > MOST_SAID:
        wrong.append(f"no sentence: a flood of {len(said)} characters: {what}")
    elif done.returncode not in (0, 1, 2) or (done.returncode and "Error: " not in said):
        wrong.append(f"no sentence: {what}")
    if not scarcity.may_work and command[0] in ("world", "render") and done.returncode == 0:
        wrong.append(f"no sentence: it worked with {scarcity.name}")
    return wrong

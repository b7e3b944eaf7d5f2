# SPDX-License-Identifier: GPL-3.0-or-later
"""`make attack`: about a thousand faults of every kind, and what they did.

    python -m tests.attack.run [--faults 1000] [--only KIND] [--seed N] [--report FILE]

Linux only. Exit status 1 when anything was lost, left behind, or shown to a user as a traceback.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from .blender import attributes, deaths_of_blender
from .cut import full_disks, kills
from .damage import damaged_files
from .deaths import deaths_of_backends, deaths_of_hosts
from .hub import local_hub
from .process import adopt_orphans
from .report import Report
from .scarce import few_resources
from .strangers import strangers
from .works import WORKS

Attack = Callable[[int, Report, random.Random], None]


def _each_work(one: Callable[..., None]) -> Attack:
    def attack(count: int, report: Report, chance: random.Random) -> None:
        total = sum(work.share for work in WORKS)
        for work in WORKS:
            one(work, max(1, round(count * work.share / total)), report, chance)

    return attack


ATTACKS: dict[str, tuple[float, Attack]] = {
    "kill": (0.24, _each_work(kills)),
    "disk": (0.08, _each_work(full_disks)),
    "hosts": (0.10, deaths_of_hosts),
    "backends": (0.02, deaths_of_backends),
    "strangers": (0.16, strangers),
    "files": (0.20, damaged_files),
    "attributes": (0.15, attributes),
    "blender": (0.02, deaths_of_blender),
    "scarce": (0.03, few_resources),
}
"""Kinds of faults, and their share."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Inject faults into everything.")
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--only", choices=ATTACKS, action="append")
    parser.add_argument("--seed", type=int, default=random.randrange(2**40))
    parser.add_argument("--report", type=Path, default=Path("outputs/attack.json"))
    options = parser.parse_args()
    adopt_orphans()
    torch.set_num_threads(1)
    report = Report(options.seed)
    options.report.parent.mkdir(parents=True, exist_ok=True)
    with local_hub():
        for name in options.only or ATTACKS:
            share, attack = ATTACKS[name]
            attack(max(1, round(options.faults * share)), report, random.Random(options.seed))
            options.report.write_text(json.dumps(report.tree(), indent=1))
            print(f"{name}: {report.faults.total()} faults so far, {len(report.wrong)} wrong",
                  file=sys.stderr, flush=True)  # fmt: skip
    found = report.tree()
    told = {name: value for name, value in found.items() if name not in ("wrong", "by kind")}
    print(json.dumps(told, indent=1))
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())

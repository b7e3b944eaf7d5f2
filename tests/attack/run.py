# SPDX-License-Identifier: GPL-3.0-or-later
"""`make attack`: a hundred moments of each work and as many of other kinds, and what they did.

    python -m tests.attack.run [--moments 100] [--only KIND] [--seed N] [--report FILE] [--add]

Linux only. Exit status 1 when anything was lost, left behind, or shown to a user as a traceback.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from .blender import attributes, deaths_of_blender, full_disks_of_blender
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
        for work in WORKS:
            one(work, max(1, round(count * work.share)), report, chance)

    return attack


ATTACKS: dict[str, tuple[float, Attack]] = {
    "kill": (1.0, _each_work(kills)),
    "disk": (1.0, _each_work(full_disks)),
    "hosts": (1.0, deaths_of_hosts),
    "backends": (0.2, deaths_of_backends),
    "strangers": (1.6, strangers),
    "files": (2.0, damaged_files),
    "attributes": (1.5, attributes),
    "scarce": (0.18, few_resources),
    "blender": (1.0, deaths_of_blender),
    "blender's disk": (1.0, full_disks_of_blender),
}
"""Kinds of faults, and how many for each moment; those that cut off works: of each work."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Inject faults into everything.")
    parser.add_argument("--moments", type=int, default=100)
    parser.add_argument("--only", choices=ATTACKS, action="append")
    parser.add_argument("--seed", type=int, default=random.randrange(2**40))
    parser.add_argument("--report", type=Path, default=Path("outputs/attack.json"))
    parser.add_argument("--add", action="store_true", help="to what stands in the report")
    options = parser.parse_args()
    adopt_orphans()
    torch.set_num_threads(1)
    report = Report(options.seed)
    if options.add:
        report = Report.goes_on(json.loads(options.report.read_text()))
    options.report.parent.mkdir(parents=True, exist_ok=True)
    with local_hub():
        for name in options.only or ATTACKS:
            share, attack = ATTACKS[name]
            began = time.monotonic()
            attack(max(1, round(options.moments * share)), report, random.Random(options.seed))
            report.figures[f"seconds of {name}"] = round(time.monotonic() - began)
            options.report.write_text(json.dumps(report.tree(), indent=1))
            print(f"{name}: {report.faults.total()} faults so far, {len(report.wrong)} wrong",
                  file=sys.stderr, flush=True)  # fmt: skip
    found = report.tree()
    told = {name: value for name, value in found.items() if name not in ("wrong", "by kind")}
    print(json.dumps(told, indent=1))
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: GPL-3.0-or-later
"""What an attack came to."""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

COUNTS = {
    "frames lost": ("frame lost",),
    "tracebacks": ("traceback", "crash"),
    "no sentence": ("no sentence",),
    "files lost": ("file lost", "the next time", "left behind"),
    "orphans": ("orphan",),
    "hangs": ("hang",),
    "over 2 GB": ("memory",),
}
"""Each count of the report, and how what is wrong begins that belongs to it."""
LATE = "killed when done"
"""How a kind begins that cuts nothing off."""


@dataclass
class Report:
    """faults: how many of each kind were injected. wrong: what came of those that hurt."""

    seed: int
    faults: Counter[str] = field(default_factory=Counter)
    wrong: list[dict[str, Any]] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    def add(self, kind: str, wrong: list[str]) -> None:
        """One fault."""
        self.faults[kind] += 1
        for what in wrong:
            self.wrong.append({"kind": kind, "number": self.faults[kind], "what": what})
            print(f"{kind} {self.faults[kind]}: {what}", file=sys.stderr, flush=True)

    @classmethod
    def goes_on(cls, before: dict[str, Any]) -> Report:
        """One to which a run adds that came after another, whose report this is."""
        began = time.monotonic() - before["seconds"]
        return cls(before["seed"], Counter(before["by kind"]), before["wrong"], before["figures"],
                   began)  # fmt: skip

    @property
    def late(self) -> int:
        """Kills that came when all was done: they are looked at, and no faults."""
        return sum(count for kind, count in self.faults.items() if kind.startswith(LATE))

    def tree(self) -> dict[str, Any]:
        """For the file."""
        counts = {
            name: sum(one["what"].startswith(begins) for one in self.wrong)
            for name, begins in COUNTS.items()
        }
        return {
            "seed": self.seed,
            "faults": self.faults.total() - self.late,
            "kills that came after the end": self.late,
            **counts,
            "other": len(self.wrong) - sum(counts.values()),
            "seconds": round(time.monotonic() - self.began),
            "by kind": dict(self.faults),
            "figures": self.figures,
            "wrong": self.wrong,
        }

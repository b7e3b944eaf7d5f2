# SPDX-License-Identifier: GPL-3.0-or-later
"""`make fuzz`: damaged files to every reader, in processes that are watched.

    python -m tests.fuzz.run --minutes 30 | --inputs 100000 [--seed N] [--report FILE]

A reader may succeed or say one sentence. Anything else is a crash; more than SECONDS of a processor
is a hang; more than BYTES is too much. Name and seed in the report make the file again.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any

import torch

from backend.shared.errors import WorldFMError

from .mutate import mutated
from .targets import TARGETS

SECONDS = 5.0
BLOCKED = 300.0
"""Seconds by the clock after which a reader that computes nothing is taken to wait for ever."""
BYTES = 2 << 30


def once(name: str, whole: Path, work: Path, seed: int) -> str:
    """Read one damaged file; "" or what is wrong with how it was answered."""
    target, chance = TARGETS[name], random.Random(f"{name} {seed}")
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(whole, work, symlinks=True)
    victim = chance.choice(target.files(work))
    victim.write_bytes(mutated(victim.read_bytes(), chance))
    began = time.process_time()  # a busy machine is no hang
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target.read(work)
    except WorldFMError as error:
        said = str(error)
        if "\n" in said or len(said) > 1500 or not said.rstrip().endswith((".", "'}", "}.")):
            return f"no sentence: {said[:300]!r}"
    except Exception:
        return traceback.format_exc()
    spent = time.process_time() - began
    return f"{spent:.1f} s" if spent > SECONDS else ""


def _work(name: str, first: int, pipe: Connection) -> None:
    """A process that reads damaged files until it is told to stop or dies."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm", encoding="ascii") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    with tempfile.TemporaryDirectory() as folder:
        whole, work = Path(folder, "whole"), Path(folder, "work")
        whole.mkdir()
        TARGETS[name].make(whole)
        torch.set_num_threads(1)
        resource.setrlimit(resource.RLIMIT_AS, (used + BYTES, hard))
        for seed in range(first, first + 1_000_000_000):
            pipe.send(seed)
            pipe.send(once(name, whole, work, seed))


def _busy(pid: int) -> float:
    """Seconds of a processor that a process has used (Linux)."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
        words = stat.read().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _heard(ours: Connection, process: ForkProcess, limit: float) -> str | int | None:
    """What the process says next; None when it hangs: by the processor, or by the clock where it
    waits for something that never comes. Raises EOFError when it has ended."""
    assert process.pid is not None
    began, busy = time.monotonic(), _busy(process.pid)
    while not ours.poll(0.5):
        if time.monotonic() - began > BLOCKED or _busy(process.pid) - busy > limit:
            return None
    said: str | int = ours.recv()
    return said


@dataclass
class Found:
    """How many inputs each target had and what went wrong."""

    seed: int
    inputs: Counter[str] = field(default_factory=Counter)
    wrong: list[dict[str, Any]] = field(default_factory=list)

    def tree(self) -> dict[str, Any]:
        """For the report."""
        return {"seed": self.seed, "inputs": dict(self.inputs), "all": self.inputs.total(),
                "wrong": self.wrong}  # fmt: skip


def fuzz_one(name: str, found: Found, until: float, most: float) -> None:
    """One target until a time or a number of inputs, whichever comes first."""
    context = multiprocessing.get_context("fork")  # the libraries are here already
    next_seed = found.seed

    def wanted() -> bool:
        return time.monotonic() < until and found.inputs[name] < most

    while wanted():
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(name, next_seed, theirs), daemon=True)
        process.start()
        theirs.close()
        current = next_seed
        try:
            while wanted():
                heard = _heard(ours, process, 2 * SECONDS if found.inputs[name] else 120)
                if heard is None:
                    found.wrong.append({"target": name, "seed": current, "what": "hang"})
                    break
                if isinstance(heard, int):
                    current = heard
                    continue
                found.inputs[name] += 1
                if heard:
                    found.wrong.append({"target": name, "seed": current, "what": heard})
        except EOFError:
            process.join(10)
            what = f"ended with {process.exitcode}"
            found.wrong.append({"target": name, "seed": current, "what": what})
        process.kill()
        process.join()
        next_seed = current + 1


def fuzz(seed: int, minutes: float, inputs: int, report: Path) -> Found:
    """All targets in turns; slow ones have a smaller share of a number of inputs."""
    found = Found(seed)
    weight = sum(target.share for target in TARGETS.values())
    for name, target in TARGETS.items():
        until = time.monotonic() + 60 * minutes / len(TARGETS)
        fuzz_one(name, found, until, inputs * target.share / weight if inputs else math.inf)
        report.write_text(json.dumps(found.tree(), indent=1))
        print(f"{name}: {found.inputs[name]} inputs, "
              f"{sum(w['target'] == name for w in found.wrong)} wrong",
              file=sys.stderr, flush=True)  # fmt: skip
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz every reader.")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--inputs", type=int, default=0, help="so many in all, instead of minutes")
    parser.add_argument("--seed", type=int, default=random.randrange(2**40))
    parser.add_argument("--report", type=Path, default=Path("outputs/fuzz.json"))
    options = parser.parse_args()
    options.report.parent.mkdir(parents=True, exist_ok=True)
    minutes = math.inf if options.inputs else options.minutes
    found = fuzz(options.seed, minutes, options.inputs, options.report)
    print(f"{found.inputs.total()} inputs, {len(found.wrong)} wrong: {options.report}")
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())

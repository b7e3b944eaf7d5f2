# SPDX-License-Identifier: GPL-3.0-or-later
"""`make fuzz`: damaged files to every reader, in processes that are watched.

    python -m tests.fuzz.run --minutes 30 [--seed N] [--report FILE]

A reader may succeed or say one sentence. Anything else is a crash; more than SECONDS is a hang;
more than BYTES is too much. The file that did it is kept beside the report.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from backend.shared.errors import WorldFMError

from .mutate import mutated
from .targets import TARGETS

SECONDS = 5.0
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


def fuzz(minutes: float, seed: int) -> dict[str, Any]:
    """All targets in turns; how many inputs there were and what went wrong."""
    context = multiprocessing.get_context("fork")  # the libraries are here already
    counts: Counter[str] = Counter()
    wrong: list[dict[str, Any]] = []
    end = time.monotonic() + 60 * minutes
    turn = 60 * minutes / len(TARGETS)
    for name in TARGETS:
        until = min(end, time.monotonic() + turn)
        next_seed = seed
        while time.monotonic() < until:
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(name, next_seed, theirs), daemon=True)
            process.start()
            theirs.close()
            current = next_seed
            try:
                while time.monotonic() < until:
                    if not ours.poll(120 if counts[name] == 0 else 2 * SECONDS):
                        wrong.append({"target": name, "seed": current, "what": "hang"})
                        break
                    heard = ours.recv()
                    if isinstance(heard, int):
                        current = heard
                        continue
                    counts[name] += 1
                    if heard:
                        wrong.append({"target": name, "seed": current, "what": heard})
            except EOFError:
                process.join(10)
                what = f"ended with {process.exitcode}"
                wrong.append({"target": name, "seed": current, "what": what})
            process.kill()
            process.join()
            next_seed = current + 1
        print(f"{name}: {counts[name]} inputs, {sum(w['target'] == name for w in wrong)} wrong",
              file=sys.stderr, flush=True)  # fmt: skip
    return {"inputs": dict(counts), "all": sum(counts.values()), "wrong": wrong}


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz every reader.")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=random.randrange(2**40))
    parser.add_argument("--report", type=Path, default=Path("outputs/fuzz.json"))
    options = parser.parse_args()
    found = {"seed": options.seed, **fuzz(options.minutes, options.seed)}
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text(json.dumps(found, indent=1))
    print(f"{found['all']} inputs, {len(found['wrong'])} wrong: {options.report}")
    return 1 if found["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: GPL-3.0-or-later
"""Minutes with an accelerator: what has to be known of it first, then training till time is up.

Every check is a command of its own with a limit, so that one that hangs or dies costs its share and
is written down; samples are made on the device by processes beside the training.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ..models.weights_file import WEIGHTS
from ..shared.errors import InputError, WorldFMError
from ..shared.files import write_atomically
from ..shared.process_group import group_for_this_system
from .config import TrainConfig
from .loop import Trainer

ROOT = Path(__file__).parents[2]
MOST_BYTES = 16 << 20
"""Of the weights' file."""
FIRST_SAMPLES = 32
"""Samples that training begins with; the others come while it runs."""
SAMPLE_SHARE = 0.3
"""Part of the time in which those have to be there."""
SPARE_S = 5.0
_TAIL = 4000


@dataclass(frozen=True)
class Check:
    """A command of this checkout. share: the part of the checks' time that it may take."""

    name: str
    words: tuple[str, ...]
    share: float


@dataclass(frozen=True)
class Checked:
    """What came of a check. code: its exit status, None where time was up."""

    name: str
    code: int | None
    seconds: float
    output: str


def checks(device: str, size: int, vectors: Path | None) -> list[Check]:
    """In the order of what matters most. size: pixels of the benchmarked frame of the official
    model. vectors: the folder of conformance vectors, if it is here."""
    tests = ("tests/pipelines/test_cuda.py", "tests/pipelines/test_official_cuda.py")
    made = [Check("tests", ("pytest", "-q", *tests), 0.35)]
    if vectors is not None:
        words = ("backend", "conformance", str(vectors), "--device", device)
        made.append(Check("conformance", words, 0.25))
    frame = ("backend", "bench", "frame", "--device", device, "--json")
    official = (*frame, "--model", "official", "--random-weights", "--size", str(size))
    return [*made, Check("embedded", frame, 0.2), Check("official", official, 0.35)]


def run_checks(wanted: list[Check], output: Path, seconds: float) -> Iterator[Checked]:
    """Each check's result as it ends, all of them in `output`/checks.json.

    What one leaves of its time the next ones have.
    """
    output.mkdir(parents=True, exist_ok=True)
    done: list[Checked] = []
    left, shares = seconds, sum(check.share for check in wanted)
    for check in wanted:
        found = _run(check, max(1.0, left * check.share / shares))
        left, shares = left - found.seconds, shares - check.share
        done.append(found)
        text = json.dumps([asdict(each) for each in done], indent=1)
        write_atomically(output / "checks.json", text.encode())
        yield found


def _run(check: Check, limit: float) -> Checked:
    began = time.monotonic()
    try:
        ended = subprocess.run(
            [sys.executable, "-m", *check.words],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=limit,
            check=False,
        )
        code, output = ended.returncode, ended.stdout
    except subprocess.TimeoutExpired as error:
        code, output = None, error.stdout or b""
    text = output.decode("utf-8", "replace")[-_TAIL:]
    return Checked(check.name, code, time.monotonic() - began, text)


def train_on_card(
    config: TrainConfig, output: Path, device: str, seconds: float, size: int, processes: int
) -> Path:
    """Trains stage 3 of `config` for `seconds` on samples of `size` pixels that are made meanwhile.

    Leaves `output`/run (in it `model`, the weights, whose folder is returned; checkpoint,
    optimiser, curves) and the samples' log. Raises InputError when no samples come in time.
    """
    until = time.monotonic() + seconds
    samples = output / "samples"
    samples.mkdir(parents=True, exist_ok=True)
    with _making(samples, device, size, processes, output / "samples.log") as making:
        while len(list(samples.glob("*.safetensors"))) < FIRST_SAMPLES:
            if making.poll() is not None or until - time.monotonic() < (1 - SAMPLE_SHARE) * seconds:
                raise InputError(
                    f"Too few samples came in time; '{output / 'samples.log'}' says why. Give it "
                    "more minutes or make samples ahead."
                )
            time.sleep(0.2)
        minutes = max(0.02, (until - SPARE_S - time.monotonic()) / 60)
        settings = replace(
            config, output=str(output / "run"), samples=(str(samples),), minutes=minutes
        )
        Trainer("stage3", settings, resume=False, device=device, overwrite=True).run()
    model = output / "run" / "model"
    size_bytes = (model / WEIGHTS).stat().st_size
    if size_bytes > MOST_BYTES:
        raise WorldFMError(
            f"The weights in '{model}' have {size_bytes / 2**20:.0f} MB, more than "
            f"{MOST_BYTES >> 20}; choose a smaller model in the config."
        )
    return model


@contextmanager
def _making(
    folder: Path, device: str, size: int, processes: int, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    words = ["train", "samples", "-o", str(folder), "--scenes", "100000", "--size", str(size)]
    words += ["--device", device, "--processes", str(processes)]
    group = group_for_this_system()
    with open(log, "wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "backend", *words],
            cwd=ROOT,
            stdout=file,
            stderr=subprocess.STDOUT,
            **group.popen_options(),
        )
        try:
            group.adopt(process)
            yield process
        finally:
            group.kill(process)
            process.wait()
            group.close()

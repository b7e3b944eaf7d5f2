# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that may use little says so, and nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest

resource = pytest.importorskip("resource")


@pytest.mark.parametrize("command", ["render", "serve", "world"])
def test_too_little_memory_is_one_sentence(command, tmp_path):
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))

    done = subprocess.run(
        [sys.executable, "-m", "backend", command, str(tmp_path)],
        capture_output=True, text=True, preexec_fn=limit, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == (
        "Error: This process may use 1.1 GB of memory and needs 1.9; raise the limit (ulimit -v) "
        "and try again.\n"
    )


def test_few_open_files_are_made_more():
    code = (
        "import resource; from backend.limits import check_limits; check_limits(); "
        "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 4096))

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, preexec_fn=limit, timeout=60
    )
    assert done.stdout == "256\n", done.stderr

# SPDX-License-Identifier: GPL-3.0-or-later
"""`make setup` with a Python that does not do says so in one sentence, before it makes anything."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")


@pytest.mark.parametrize(
    ("python", "sentence"),
    [
        ("/no/such/python", "/no/such/python is not a Python 3.11 or 3.13 with the venv module"),
        ("./old", "./old is not a Python 3.11 or 3.13 with the venv module"),
        ("", "WorldFM needs Python 3.11 or 3.13 with the venv module"),
    ],
)
def test_a_python_that_does_not_do(tmp_path: Path, python: str, sentence: str) -> None:
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    old = tmp_path / "old"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    done = subprocess.run(
        ["make", "setup", f"PYTHON={python}"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert len(said) == 1 and said[0].startswith(f"Error: {sentence}"), done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Makefile", "old", "pyproject.toml"]

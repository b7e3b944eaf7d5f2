# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs scripts in the bpy Pythons that are there: Blender's side has an interpreter of its own.

WORLDFM_BPY_PYTHONS lists them, separated like PATH; without it `.venv-blender*` are used.
WORLDFM_TEST_ZIP names an extension zip to install; without it the checkout itself is enabled.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
INSIDE = Path(__file__).parent / "inside"


def bpy_pythons() -> list[Path]:
    """Interpreters that have bpy."""
    named = os.environ.get("WORLDFM_BPY_PYTHONS", "")
    if named:
        return [Path(p) for p in named.split(os.pathsep)]
    return sorted(ROOT.glob(".venv-blender*/bin/python"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test that asks for a Blender runs once in each bpy there is."""
    for name in {"blender", "shared_blender"}.intersection(metafunc.fixturenames):
        found = bpy_pythons()
        skip = pytest.mark.skip(reason="no bpy Python: run `make setup` or set WORLDFM_BPY_PYTHONS")
        values = found or [pytest.param(None, marks=skip)]
        metafunc.parametrize(
            name, values, ids=[p.parts[-3] for p in found] or ["none"], indirect=True
        )


@pytest.fixture
def blender(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Call it with a script of `inside/` and arguments; gives back what its main() found."""
    return partial(_run, request.param, tmp_path / "user")


@pytest.fixture(scope="module")
def shared_blender(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., dict[str, Any]]:
    """`blender` for a fixture whose findings all tests of a module look at."""
    return partial(_run, request.param, tmp_path_factory.mktemp("user"))


def _run(
    python: Path, settings: Path, script: str, *arguments: object, timeout: float = 900
) -> dict[str, Any]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment["BLENDER_USER_RESOURCES"] = str(settings)
    environment.setdefault("WORLDFM_PYTHON", sys.executable)
    environment.setdefault("OMP_NUM_THREADS", "1")
    environment.setdefault("NUMBA_CACHE_DIR", str(ROOT / "outputs" / "kernels"))
    done = subprocess.run(
        [python, INSIDE / script, *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    lines = done.stdout.strip().splitlines()
    try:
        findings = json.loads(lines[-1])
    except (IndexError, ValueError):
        pytest.fail(f"{script} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    if "traceback" in findings:
        pytest.fail(f"{findings['traceback']}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    findings["output"] = done.stdout + done.stderr
    findings["returncode"] = done.returncode
    return findings

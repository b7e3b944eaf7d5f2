# SPDX-License-Identifier: GPL-3.0-or-later
"""The validation set: scenes that no training sees, some ray traced here, some by Cycles."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from ..shared.errors import InputError, WorldFMError
from .generate import RESERVED_SEED, SceneJob
from .synth import KINDS

BLENDER_SCENES = ("room", "street", "canyon", "corridor", "still_life", "abstract")
_SCRIPT = Path(__file__).with_name("blender_scenes.py")


def traced_jobs(folder: Path, views: int, size: int) -> list[SceneJob]:
    """One scene of each kind and a second interior and street, with reserved seeds."""
    kinds = [*KINDS, "interior", "street"]
    return [
        SceneJob(Path(folder) / f"traced-{i}-{kind}", kind, RESERVED_SEED + i, views, (size, size))
        for i, kind in enumerate(kinds)
    ]


def render_blender_scene(
    folder: Path,
    scene: str,
    python: Path,
    *,
    views: int,
    size: int,
    samples: int,
    on_view: Callable[[], None] = lambda: None,
) -> None:
    """Renders one of BLENDER_SCENES with Cycles into `folder`; goes on where it was stopped.

    python: an interpreter that has bpy. Raises InputError when it hasn't, WorldFMError when
    rendering fails.
    """
    check_bpy(python)
    part = folder.parent / f".{folder.name}.part"
    part.mkdir(parents=True, exist_ok=True)
    command = [
        str(python), str(_SCRIPT), "--scene", scene, "--out", str(part), "--views", str(views),
        "--size", str(size), "--samples", str(samples),
    ]  # fmt: skip
    last = ""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        for line in process.stdout or ():
            if line.startswith("view "):
                on_view()
            last = line.strip() or last
    if process.returncode or not (part / "transforms.json").is_file():
        raise WorldFMError(f"Blender could not render the scene '{scene}': {last or 'no message'}.")
    os.replace(part, folder)


def check_bpy(python: Path) -> None:
    """Raises InputError unless the interpreter exists and can import bpy."""
    try:
        result = subprocess.run(
            [str(python), "-c", "import bpy"], capture_output=True, timeout=120, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"'{python}' is not a Python that runs: {error}.") from error
    if result.returncode:
        raise InputError(
            f"'{python}' has no bpy; install the package bpy into it or choose another Python."
        )

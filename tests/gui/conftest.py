# SPDX-License-Identifier: GPL-3.0-or-later
"""What the GUI tests share: a real Blender on a virtual display with the extension installed."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from wheels.build_extension import package_for_this_system

from .real_blender import ROOT, NoBlender, RealBlender, find
from .stage import HERE, Stage, display

PICTURES = ROOT / "outputs" / "gui"


@pytest.fixture(scope="session")
def real_blender() -> RealBlender:
    try:
        return find()
    except NoBlender as error:
        text = f"NO GUI TEST WAS RUN: {error}"
        print(f"\n{'!' * 72}\n{text}\n{'!' * 72}", file=sys.__stderr__)
        pytest.skip(text)


@pytest.fixture(scope="session")
def bare_stage(real_blender, tmp_path_factory):
    """A new user's Blender, nothing installed."""
    user = tmp_path_factory.mktemp("user")
    with display(real_blender) as name:
        yield Stage(real_blender, name, user, PICTURES)


@pytest.fixture(scope="session")
def backend_python() -> Path:
    """The environment's Python, as a user would choose it in the preferences."""
    return Path(sys.prefix) / "bin" / "python"


@pytest.fixture(scope="session")
def package() -> Path:
    return package_for_this_system(ROOT / "dist")


@pytest.fixture(scope="session")
def installed(bare_stage, package, backend_python) -> dict:
    """What the installation left to tell; the stage has the extension from then on."""
    return bare_stage.play("install", package=str(package), python=str(backend_python))


@pytest.fixture(scope="session")
def stage(bare_stage, installed) -> Stage:
    return bare_stage


@pytest.fixture(scope="session")
def model() -> str:
    """The model the tests run with: the one that ships, or the one WORLDFM_GUI_MODEL names."""
    return os.environ.get("WORLDFM_GUI_MODEL", "embedded")


@pytest.fixture(scope="session")
def demo_file(stage, model) -> Path:
    """The demo scene with three memory frames, made in the same Blender, of whatever version."""
    file = stage.user / "demo.blend"
    script = str(HERE / "make_file.py")
    stage.command("--python-exit-code", "1", "--python", script, "--", str(file), model)
    return file


@pytest.fixture(scope="session")
def measured():
    """What the tests measure and don't assert; printed and kept in outputs/gui/measured.json."""
    figures: dict[str, object] = {}
    yield figures
    text = json.dumps(figures, indent=1)
    PICTURES.mkdir(parents=True, exist_ok=True)
    (PICTURES / "measured.json").write_text(text)
    print(f"\n{text}", file=sys.__stderr__)

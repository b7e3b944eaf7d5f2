# SPDX-License-Identifier: GPL-3.0-or-later
"""The artist scenes: built and rendered in Blender, read and compared without it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from demo.scenes import figures
from demo.scenes.folder import DisplayOrders, SceneFolder, read_png

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = sorted(ROOT.glob(".venv-blender*/bin/python"))

pytestmark = pytest.mark.skipif(not PYTHONS, reason="no bpy Python: run `make setup`")


def program(python: Path, name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-m", f"demo.scenes.{name}", *map(str, arguments)],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTHON")},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.parametrize("python", PYTHONS, ids=lambda p: p.parts[-3])
def test_a_scene_from_script_to_figures(python: Path, tmp_path: Path) -> None:
    asked = ("--output", tmp_path, "--only", "cube", "--size", "48x32", "--samples", "1")
    done = program(python, "render", *asked, "--curve")
    assert done.returncode == 0, done.stderr
    scene = SceneFolder(tmp_path / "cube")
    assert scene.problems == [] and scene.display["view"] == "AgX"
    assert [view.name for view in scene.views("memory")] == ["Turned-01", "Camera-01", "Other-01"]
    target = scene.views("target")[0]
    world = scene.world(target.world).scene
    assert world.triangle_count() == 12 and world.lamps[0].kind == "POINT"
    picture = target.truth_picture()
    assert picture.color.shape == (32, 48, 3) and np.isfinite(picture.depth).any()

    first = (tmp_path / "cube" / target.truth).stat().st_mtime_ns
    assert program(python, "render", *asked, "--curve").returncode == 0
    assert (tmp_path / "cube" / target.truth).stat().st_mtime_ns == first  # kept

    made = {("none", view.name): _as_made(view) for view in scene.views("target")}
    orders = DisplayOrders(python)
    figures.order_pictures(scene, made, orders)
    orders.fulfil()
    found = figures.measure(scene, made)
    assert found["modes"]["none"]["mean"]["psnr"] == 100  # the truth against itself
    assert set(found["cycles"]) == {"1", "2", "4", "8", "16", "32"}
    assert "100.0" in figures.table({"cube": found}, ["none"])
    # what Blender wrote itself while rendering is shown alike
    own = read_png((tmp_path / "cube" / target.truth).with_suffix(".png"))
    shown = read_png(made["none", target.name].file)
    assert np.abs(own.astype(int) - shown).max() <= 2


def test_race_says_what_cycles_needs_for_the_same_quality() -> None:
    def mode(psnr: float, milliseconds: float) -> dict:
        return {"mean": {"psnr": psnr, "ms": {"frame": milliseconds}}}

    cycles = {"1": (20.0, 1.0), "4": (30.0, 4.0), "8": (None, None)}
    curve = {s: {"psnr": level, "seconds": spent} for s, (level, spent) in cycles.items()}
    modes = {"none": mode(25, 500), "2": mode(30, 1000), "3": mode(20, 2000)}
    found = {"cycles": curve, "modes": modes | {"network": mode(30, 1000)}}
    lines = figures.race({"cube": found, "broken": {"error": "no file"}}).splitlines()
    assert [line.split()[1:] for line in lines[1:]] == [
        ["Cycles,", "1", "samples", "20.0", "1.00"],
        ["Cycles,", "4", "samples", "30.0", "4.00"],
        ["memory", "of", "none", "25.0", "0.50", "x", "4.0", "0", "frames"],
        ["memory", "of", "2", "30.0", "1.00", "x", "4.0", "3", "frames"],
        ["memory", "of", "3", "20.0", "2.00", "x", "0.5"],
        ["memory", "of", "network", "30.0", "1.00", "x", "4.0"],
    ]


def _as_made(view) -> figures.Made:
    picture = view.truth_picture()
    return figures.Made(picture.color, None, picture.depth, {"frame": 1.0, "prepare": 1.0})


def test_worlds_of_things_that_change(tmp_path: Path) -> None:
    asked = ("--only", "edited,movers,isometric", "--size", "48x32", "--worlds-only")
    done = program(PYTHONS[0], "render", "--output", tmp_path, *asked)
    assert done.returncode == 0, done.stderr
    edited = SceneFolder(tmp_path / "edited")
    names = [
        {one.object for one in edited.world(edited.views(role)[0].world).scene.instances}
        for role in ("memory", "target")
    ]
    assert names[0] - names[1] == {"Deleted"} and names[1] - names[0] == {"Added"}
    movers = SceneFolder(tmp_path / "movers")
    assert len({view.world for view in movers.views("film")}) == 8
    isometric = SceneFolder(tmp_path / "isometric").views("target")[0]
    assert isometric.camera.is_orthographic and isometric.camera.K[0, 0] == pytest.approx(48 / 6.6)


def test_an_unknown_scene_is_named(tmp_path: Path) -> None:
    done = program(PYTHONS[0], "render", "--output", tmp_path, "--only", "cube,attic")
    assert done.returncode == 2
    assert done.stderr.strip().endswith("there is no scene 'attic'; --list names them.")
    assert not list(tmp_path.iterdir())

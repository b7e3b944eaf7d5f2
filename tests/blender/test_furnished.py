# SPDX-License-Identifier: GPL-3.0-or-later
"""Furnished scenes for the depth network, of a library with one stool and one cup."""

from __future__ import annotations

import os
import subprocess
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from backend.data.nerfstudio import read_dataset

from .conftest import ROOT, bpy_pythons

CUBE = """mtllib cube.mtl
usemtl paint
v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
v 0 0 1
v 1 0 1
v 1 1 1
v 0 1 1
f 1 4 3 2
f 5 6 7 8
f 1 2 6 5
f 2 3 7 6
f 3 4 8 7
f 4 1 5 8
"""


def library(path: Path) -> Path:
    """A furniture library of two cubes, one with a picture that is not there."""
    entries = []
    for number, (name, side, top) in enumerate((("stool", 55, 55.0), ("cup", 10, -1.0)), 1):
        sizes = {key: side for key in ("width", "depth", "height")}
        fields = {"model": f"/set/{name}/cube.obj", "dropOnTopElevation": top} | sizes
        entries += [f"{key}#{number}={value}" for key, value in fields.items()]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("PluginFurnitureCatalog.properties", "\n".join(entries))
        for name in ("stool", "cup"):
            archive.writestr(f"set/{name}/cube.obj", CUBE)
            paint = "newmtl paint\nKd 0.7 0.2 0.1\nmap_Kd C:/lost/wood.jpg\n"
            archive.writestr(f"set/{name}/cube.mtl", paint)
    return path


@pytest.mark.skipif(not bpy_pythons(), reason="no bpy Python: run `make setup`")
def test_scenes_are_captures_whose_ground_is_at_zero(tmp_path):
    (tmp_path / "pictures").mkdir()
    grain = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "pictures" / "grain.png"), grain)
    command = [
        bpy_pythons()[0], ROOT / "backend" / "data" / "blender_furnished.py",
        "--furniture", library(tmp_path / "two.sh3f"), "--pictures", tmp_path / "pictures",
        "--out", tmp_path / "out", "--minutes", 0, "--samples", 1, "--views", 2, "--seed", 2,
    ]  # fmt: skip
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    subprocess.run(
        list(map(str, command)), env=environment, check=True, capture_output=True, timeout=300
    )
    (scene,) = (tmp_path / "out").iterdir()
    frames = read_dataset(scene)
    assert len(frames) == 2
    for frame in frames:
        rays = frame.camera.rays()
        heights = frame.camera.position[2] + rays[..., 2] * frame.depth
        seen = np.isfinite(frame.depth)
        assert seen.any() and heights[seen].min() > -0.01
        assert (np.abs(heights[seen]) < 0.01).mean() > 0.02
        assert frame.rgb.std() > 2

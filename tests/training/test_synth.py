# SPDX-License-Identifier: GPL-3.0-or-later
"""Procedural scenes: the same every time, flyable, consistent between views; and their commands."""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from backend.commands.data import app, parse_size
from backend.data.generate import RESERVED_SEED, SceneJob, plan, write_scene
from backend.data.nerfstudio import read_dataset
from backend.data.picture_folder import PictureFolder
from backend.data.synth import KINDS, Scene, fly_path, make_scene, render_view
from backend.data.synth.paths import clearance
from backend.data.validation import render_blender_scene, traced_jobs
from backend.shared.errors import InputError

SIZE = (48, 40)


@cache
def scene_of(kind: str) -> Scene:
    return make_scene(kind, 12)


@cache
def flight_of(kind: str) -> list:
    return fly_path(scene_of(kind), 3, 8, SIZE)


@pytest.mark.parametrize("kind", KINDS)
def test_a_flight_keeps_clear_and_is_smooth(kind: str) -> None:
    scene, cameras = scene_of(kind), flight_of(kind)
    positions = np.array([camera.position for camera in cameras])
    assert clearance(scene, positions).min() >= 0.5 * scene.near
    steps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    assert steps.max() < 3 * steps.mean() + 1e-3
    ahead = np.array([camera.c2w[:3, 2] for camera in cameras])
    turns = np.arccos(np.clip((ahead[1:] * ahead[:-1]).sum(1), -1, 1))
    assert np.degrees(turns.max()) < 40
    for camera in cameras:
        across = 2 * np.degrees(np.arctan(SIZE[0] / 2 / camera.K[0, 0]))
        assert 35 < across < 95
        assert camera.c2w[2, 1] < 0.2  # the picture's down is not the world's up


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_show_something(kind: str) -> None:
    for camera in flight_of(kind)[::4]:
        rgb, depth = render_view(scene_of(kind), camera)
        assert rgb.shape == (40, 48, 3) and rgb.dtype == torch.float32
        assert depth.shape == (40, 48) and depth.dtype == torch.float32
        assert float(rgb.min()) >= 0 and float(rgb.max()) <= 1 and bool(torch.isfinite(rgb).all())
        assert not bool(torch.isnan(depth).any()) and float(depth.min()) > 0
        assert 0.08 < float(rgb.mean()) < 0.95 and float(rgb.std()) > 0.02
        assert float(torch.isfinite(depth).float().mean()) > 0.2


@pytest.mark.parametrize("kind", KINDS)
def test_views_agree_about_the_surface(kind: str) -> None:
    """A point of one view, projected into the next, lies on or behind the depth found there."""
    first, second = flight_of(kind)[3:5]
    _, depth = render_view(scene_of(kind), first, antialias=False)
    _, other = render_view(scene_of(kind), second, antialias=False)
    depth, other = depth.numpy(), other.numpy()
    solid = np.isfinite(depth)
    points = (first.position + first.rays() * depth[..., None])[solid]
    uv, z = second.project(points)
    column, row = np.floor(uv[:, 0]).astype(int), np.floor(uv[:, 1]).astype(int)
    inside = (z > 0) & (column >= 0) & (column < SIZE[0]) & (row >= 0) & (row < SIZE[1])
    found, z = other[row[inside], column[inside]], z[inside]
    assert inside.mean() > 0.15
    assert (np.abs(found - z) < 0.05 * z).mean() > 0.75
    assert (found > 1.3 * z).mean() < 0.08  # almost nothing is seen through a surface


def test_same_seed_same_bytes() -> None:
    make_scene("abstract", 6)  # something else in between
    first, second = make_scene("abstract", 4), make_scene("abstract", 4)
    pictures = []
    for scene in (first, second):
        camera = fly_path(scene, 1, 2, (32, 32))[1]
        rgb, depth = render_view(scene, camera)
        pictures.append(rgb.numpy().tobytes() + depth.numpy().tobytes())
    assert pictures[0] == pictures[1]
    other = make_scene("abstract", 5)
    assert other.center.shape != first.center.shape or not np.allclose(other.center, first.center)


def test_antialiasing_changes_edges_only() -> None:
    scene, camera = scene_of("interior"), flight_of("interior")[0]
    plain, depth = render_view(scene, camera, antialias=False)
    smooth, same = render_view(scene, camera, antialias=True)
    assert torch.equal(depth, same)
    changed = (plain != smooth).any(-1).float().mean()
    assert 0.01 < float(changed) < 0.9


def test_rooms_are_closed() -> None:
    """Without a window no ray from inside reaches the sky."""
    scene = make_scene("corridor", 56)
    assert not any(lamp.facing for lamp in scene.lamps)  # a window shines into the room
    for camera in fly_path(scene, 0, 3, (32, 32)):
        _, depth = render_view(scene, camera, antialias=False)
        assert bool(torch.isfinite(depth).all())


def test_photos_become_textures(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no picture"):
        PictureFolder(tmp_path)
    red = np.zeros((40, 30, 3), np.uint8)
    red[..., 2] = 255
    cv2.imwrite(str(tmp_path / "red.png"), red)
    photos = PictureFolder(tmp_path)
    assert (photos[0][0, 0] == (255, 0, 0)).all()
    scene = make_scene("abstract", 3, photos)
    means = np.array([image[..., :3].mean((0, 1)) for image in scene.textures.images])
    is_red = (means[:, 0] > 0.5) & (means[:, 1] < 0.02)
    assert is_red.any() and not is_red.all()
    (tmp_path / "blue.png").write_bytes(b"blue")
    with pytest.raises(InputError, match=r"blue\.png"):
        PictureFolder(tmp_path)


def test_unknown_kind() -> None:
    with pytest.raises(InputError, match="interior, street"):
        make_scene("moon", 1)


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(words))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_the_command_writes_datasets_and_goes_on(tmp_path: Path) -> None:
    words = ["synth", "-o", str(tmp_path), "--kinds", "still_life,abstract", "--scenes", "2"]
    words += ["--views", "2", "--size", "24x16", "--seed", "7", "--device", "cpu", "--json"]
    code, output = run(*words)
    told = json.loads(output)
    assert code == 0 and told["views"] == 4 and len(told["scenes"]) == 2
    frames = [read_dataset(Path(folder)) for folder in told["scenes"]]
    assert all(frame.rgb.shape == (16, 24, 3) for set_ in frames for frame in set_)
    assert all(frame.depth is not None for set_ in frames for frame in set_)
    stamps = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.png")}
    run(*words)
    assert stamps == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.png")}
    again = tmp_path / "again"
    write_scene(SceneJob(again, "still_life", 7, 2, (24, 16)), "cpu")
    np.testing.assert_array_equal(read_dataset(again)[1].rgb, frames[0][1].rgb)


def test_a_stopped_scene_leaves_no_folder(tmp_path: Path) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_scene(SceneJob(tmp_path / "a", "abstract", 1, 3, (16, 16)), "cpu", stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--kinds", "moon"], "no scene kind"),
        (["--kinds", ","], "choose from"),
        (["--scenes", "0"], "at least 1 scene"),
        (["--size", "big"], "takes width x height"),
        (["--seed", "-1"], "0 or larger"),
        (["--device", "abacus"], "cannot be used here"),
    ],
)
def test_wrong_wishes_are_one_sentence(tmp_path: Path, words: list[str], says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        run("synth", "-o", str(tmp_path), *words)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_sizes() -> None:
    assert parse_size("64x48") == (64, 48) and parse_size("32") == (32, 32)


def test_training_never_sees_the_validation_scenes() -> None:
    jobs = traced_jobs(Path("set"), 16, 256)
    assert len(jobs) >= 6 and {job.kind for job in jobs} == set(KINDS)
    assert min(job.seed for job in jobs) >= RESERVED_SEED
    assert len({job.folder for job in jobs}) == len(jobs)
    assert max(job.seed for job in plan(Path("set"), list(KINDS), 50, 1, (64, 64), 0)) < 1_000_000


def test_a_python_without_bpy(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no bpy"):
        render_blender_scene(
            tmp_path / "room", "room", Path(sys.executable), views=1, size=16, samples=1
        )
    with pytest.raises(InputError, match="not a Python"):
        render_blender_scene(
            tmp_path / "room", "room", tmp_path / "nowhere", views=1, size=16, samples=1
        )
    assert list(tmp_path.iterdir()) == []


BLENDER_PYTHON = Path(__file__).parents[2] / ".venv-blender" / "bin" / "python"


@pytest.mark.skipif(not BLENDER_PYTHON.exists(), reason="no Python with bpy beside the project")
def test_cycles_scene_in_our_conventions(tmp_path: Path) -> None:
    """Surfaces found in one view lie where another view sees them."""
    seen: list[int] = []
    render_blender_scene(
        tmp_path / "table", "still_life", BLENDER_PYTHON, views=3, size=32, samples=1,
        on_view=lambda: seen.append(1),
    )  # fmt: skip
    frames = read_dataset(tmp_path / "table")
    assert len(frames) == len(seen) == 3
    a, b = frames[1], frames[2]
    solid = np.isfinite(a.depth)
    uv, z = b.camera.project((a.camera.position + a.camera.rays() * a.depth[..., None])[solid])
    column, row = np.floor(uv).astype(int).T
    inside = (z > 0) & (column >= 0) & (column < 32) & (row >= 0) & (row < 32)
    found = b.depth[row[inside], column[inside]]
    assert (np.abs(found - z[inside]) < 0.05 * z[inside]).mean() > 0.5
    assert (found > 1.3 * z[inside]).mean() < 0.1

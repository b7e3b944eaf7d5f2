# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line as a user meets it: help, exit codes, one sentence for each fault."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backend import cli
from backend.cli import COMMANDS, main
from backend.commands.render import refit
from backend.shared.camera import Camera, intrinsics, look_at
from backend.shared.camera_path import read_camera_path, write_camera_path
from backend.shared.errors import CameraError

ROOT = Path(__file__).resolve().parents[2]


def run(capsys: pytest.CaptureFixture, *arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `worldfm ARGUMENTS`."""
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return end.value.code or 0, out, err


def cameras(count: int, size: tuple[int, int] = (40, 32)) -> list[Camera]:
    K = intrinsics(1.1, *size)
    eyes = np.stack([np.linspace(-1, 1, count), np.full(count, -3.0), np.ones(count)], axis=1)
    return [Camera(K, look_at(eye, np.array([0, 0, 1.0])), *size) for eye in eyes]


def test_help_lists_every_command(capsys) -> None:
    code, out, _ = run(capsys, "--help")
    assert code == 0
    for name in COMMANDS:
        assert name in out


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_each_command_has_help(capsys, name: str) -> None:
    code, out, _ = run(capsys, name, "--help")
    assert code == 0
    assert "Usage: worldfm" in out


def test_a_command_that_the_extension_leaves_out_is_not_listed_and_says_where_it_is(
    capsys, monkeypatch
) -> None:
    monkeypatch.setattr(cli, "_is_here", lambda name: name != "train")
    listed = run(capsys, "--help")[1].split()
    assert "serve" in listed and "train" not in listed
    code, _, err = run(capsys, "train", "stage1")
    assert code == 2
    assert err == (
        "Error: The extension comes without 'worldfm train'; run it in a checkout of the source.\n"
    )


def test_help_does_not_load_torch() -> None:
    code = (
        "import sys; from backend.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0


def test_an_unknown_command_is_named(capsys) -> None:
    code, _, err = run(capsys, "paint")
    assert code == 2
    assert "paint" in err


def test_the_version_is_the_extensions(capsys) -> None:
    code, out, _ = run(capsys, "--version")
    assert code == 0
    manifest = (ROOT / "blender_manifest.toml").read_text()
    assert f'version = "{out.split()[1]}"' in manifest


def test_paths_are_written_without_blender(capsys, tmp_path: Path) -> None:
    circle, way = tmp_path / "circle.json", tmp_path / "way.json"
    code, out, _ = run(capsys, "path", "orbit", "-o", circle, "--center", "0,0,1", "--frames", 1)
    assert code == 0 and out.startswith("1 camera in ")
    code, _, err = run(capsys, "path", "orbit", "-o", circle, "--center", "0,0,1", "--frames", 6)
    assert code == 2 and "--overwrite" in err
    command = ["path", "orbit", "-o", circle, "--center", "0,0,1", "--frames", 6, "--overwrite"]
    assert run(capsys, *command)[0] == 0
    command = ["path", "between", circle, "-o", way, "--views", "0,2,3", "--frames", 7, "--json"]
    code, out, _ = run(capsys, *command)
    assert code == 0 and json.loads(out)["frames"] == 7
    np.testing.assert_allclose(
        read_camera_path(way)[-1].c2w, read_camera_path(circle)[3].c2w, atol=1e-6
    )
    code, _, err = run(capsys, "path", "from", circle, "-o", tmp_path / "x", "--views", "6")
    assert code == 2 and "no camera 6" in err
    command = ["path", "from", circle, "-o", tmp_path / "x.json", "--views", "1", "--size", "64x64"]
    assert run(capsys, *command)[0] == 0
    assert read_camera_path(tmp_path / "x.json")[0].width == 64


def test_no_command_offers_a_completion_that_would_not_work(capsys) -> None:
    for name in COMMANDS:
        assert "completion" not in run(capsys, name, "--help")[1].replace("completion  ", "")


def test_waiting_threads_leave_the_processor_to_others() -> None:
    code = (
        "import os; from backend.cli import main\n"
        "try: main(['--version'])\n"
        "except SystemExit: pass\n"
        "print(os.environ['OMP_WAIT_POLICY'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split()[-1] == "passive"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no disk that is always full")
def test_an_output_that_takes_nothing_is_one_sentence() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "backend", "models", "list"],
            cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, timeout=300,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == (
        "Error: No space left on device: the output cannot be written; choose a place that can be "
        "used.\n"
    )


def test_python_m_backend_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "backend", "render", "nowhere", "-o", "x", "--cameras", "none.json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1


def test_camera_path_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "cameras.json"
    write_camera_path(path, cameras(3))
    again = read_camera_path(path)
    assert len(again) == 3
    for before, after in zip(cameras(3), again, strict=True):
        np.testing.assert_array_equal(before.c2w, after.c2w)
        np.testing.assert_array_equal(before.K, after.K)


def test_one_K_serves_all_frames(tmp_path: Path) -> None:
    first = cameras(2)
    data = {"K": first[0].K.tolist(), "size": [40, 32], "c2w": [c.c2w.tolist() for c in first]}
    (tmp_path / "c.json").write_text(json.dumps(data))
    assert len(read_camera_path(tmp_path / "c.json")) == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"K": 1, "size": [1], "c2w": []}',
        '{"K": [[1]], "size": [4, 4], "c2w": [[[1]]]}',
    ],
)
def test_a_broken_camera_path_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(CameraError) as error:
        read_camera_path(tmp_path / "c.json")
    assert "\n" not in str(error.value)
    with pytest.raises(CameraError, match="could not be read"):
        read_camera_path(tmp_path / "absent.json")


def test_refit_keeps_what_is_seen_from_left_to_right() -> None:
    camera = cameras(1)[0]
    wide = refit(camera, 80, 40)
    assert wide.K[0, 0] == wide.K[1, 1] == 2 * camera.K[0, 0]
    edge = camera.position + camera.rays()[16, 0].astype(float) * 2
    before, _ = camera.project(edge[None])
    after, _ = wide.project(edge[None])
    assert after[0, 0] == pytest.approx(2 * before[0, 0])
    # what stood on the middle row still does
    assert after[0, 1] - 20 == pytest.approx(2 * (before[0, 1] - 16))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["evaluate", "{tmp}", "-o", "{tmp}/o"], "transforms.json"),
        (["evaluate", "{tmp}/absent", "-o", "{tmp}/o"], "transforms.json"),
        (["bench", "everything"], "everything"),
        (["world", "build", "-o", "{tmp}/w"], "one source"),
        (["world", "build", "-o", "{tmp}/w", "--ply", "{tmp}/no.ply"], "does not exist"),
        (["world", "build", "-o", "{tmp}/w", "--ply", "a", "--dataset", "b"], "one source"),
        (["world", "build", "-o", "{tmp}/w", "--ply", "a", "--image", "b"], "both"),
        (["render", "{tmp}", "-o", "{tmp}/o"], "--cameras"),
        (["render", "{tmp}", "-o", "{tmp}/o", "--passes", "beauty"], "beauty"),
        (["render", "{tmp}", "-o", "{tmp}/o", "--passes", ","], "--passes"),
        (["render", "{tmp}", "-o", "{tmp}/o", "--video", "--passes", "depth"], "combined"),
        (["render", "{tmp}", "-o", "{tmp}/o", "--cameras", "{tmp}/no.json"], "could not be read"),
        (["render", "{tmp}/no", "-o", "{tmp}/o", "--cameras", "c.json"], "does not exist"),
        (["render", "m.json", "-o", "{tmp}/o", "--size", "5x5"], "from 16 to 8192"),
        (["render", "m.json", "-o", "{tmp}/o", "--size", "99999x64"], "from 16 to 8192"),
        (["render", "m.json", "-o", "{tmp}/o", "--size", "wide"], "width x height"),
        (["data", "synth", "-o", "{tmp}/d", "--size", "4x4"], "from 8 to 8192"),
        (["data", "validation", "-o", "{tmp}/d", "--blender-python", "{tmp}/py"], "that runs"),
        (["train", "samples", "-o", "{tmp}/s", "--size", "5"], "from 16 to 8192"),
        (["train", "colors", "-o", "{tmp}/n", "--examples", "{tmp}/e", "--start", "x"], "go on"),
        (["train", "stage1", "{tmp}/no.toml"], "no training config"),
        (["bench", "anchors", "--device", "abacus"], "does not work here"),
        (["bench", "quality", "--model", "{tmp}/none"], "holds no frame model"),
        (["bench", "quality", "--random-weights"], "goes with"),
        (["path", "orbit", "-o", "{tmp}/c.json"], "Where to look"),
        (["path", "orbit", "-o", "{tmp}/c.json", "--center", "here"], "X,Y,Z"),
        (["path", "from", "{tmp}", "-o", "{tmp}/c.json"], "no cameras"),
    ],
)
def test_wrong_input_is_one_sentence(
    capsys, tmp_path: Path, arguments: list[str], says: str
) -> None:
    code, _, err = run(capsys, *(a.format(tmp=tmp_path) for a in arguments))
    assert code == 2
    assert says in err
    assert err.startswith("Error: ") and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []

# SPDX-License-Identifier: GPL-3.0-or-later
"""`worldfm render` and `worldfm evaluate` with a real world and a real, tiny model."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from pathlib import Path

import av
import numpy as np
import OpenEXR
import pytest
import torch

from backend.cli import main
from backend.commands import render as command
from backend.data.nerfstudio import PosedFrame, write_dataset
from backend.evaluation.bench import room_cameras, room_frame, room_world
from backend.frame_files import read_metadata, read_png
from backend.models.frame_model import FrameModel
from backend.models.load_frame_model import save_frame_model
from backend.shared.camera_path import write_camera_path
from backend.shared.errors import WorldFMError
from backend.shared.files import replacing, write_atomically
from backend.shared.world_folder import save_world

SIZE = 48


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `world`, `model`, `cameras.json` (4 cameras) and `dataset` (5 frames)."""
    folder = tmp_path_factory.mktemp("render")
    torch.manual_seed(0)
    model = FrameModel(widths=(8, 8, 16, 16), token_width=48, heads=2, layers=1)
    save_frame_model(model, folder / "model", {})
    save_world(room_world(SIZE), folder / "world")
    write_camera_path(folder / "cameras.json", room_cameras(SIZE, 4))
    frames = [room_frame(camera) for camera in room_cameras(SIZE, 5)]
    write_dataset(
        folder / "dataset",
        [PosedFrame(f.camera, f.rgb, f.depth, f"{i:02d}") for i, f in enumerate(frames)],
    )
    return folder


def worldfm(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return end.value.code or 0


def render(place: Path, output: Path, *more: object, world: Path | None = None) -> int:
    return worldfm(
        "render",
        world or place / "world",
        "--cameras",
        place / "cameras.json",
        "--model",
        place / "model",
        "--device",
        "cpu",
        "-o",
        output,
        *more,
    )


@pytest.fixture(scope="module")
def passes(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All passes of four frames and a film of them."""
    made, said = tmp_path_factory.mktemp("passes"), io.StringIO()
    with contextlib.redirect_stdout(said):
        which = "combined,depth,anchor,coverage"
        assert render(place, made, "--passes", which, "--seed", 3, "--video", "--json") == 0
    report = json.loads(said.getvalue())
    assert len(report["frames"]) == 4
    return made


def test_all_passes_and_a_film_are_written(passes: Path) -> None:
    names = {
        f"{i:04d}.{end}"
        for i in range(4)
        for end in ("png", "depth.exr", "anchor.png", "coverage.png")
    }
    assert {file.name for file in passes.iterdir()} == names | {"video.mp4"}
    assert read_png(passes / "0000.png").shape == (SIZE, SIZE, 3)
    with av.open(str(passes / "video.mp4")) as film:
        assert len(list(film.decode(video=0))) == 4


def test_every_pass_says_how_it_was_made(passes: Path) -> None:
    about = read_metadata(passes / "0001.png")
    assert (about["seed"], about["steps"], about["world_revision"]) == ("3", "1", "1")
    assert about["model"] == "model" and len(about["model_hash"]) == 12
    assert read_metadata(passes / "0001.depth.exr") == about


def test_the_depth_pass_is_in_metres(passes: Path) -> None:
    with OpenEXR.File(str(passes / "0000.depth.exr")) as file:
        depth = file.channels()["Z"].pixels
    truth = room_frame(room_cameras(SIZE, 1)[0]).depth
    assert np.median(np.abs(depth - truth) / truth) < 0.05


def test_the_same_bytes_in_any_order(place: Path, tmp_path: Path) -> None:
    """Frame by frame, backwards and with gaps: a frame depends on nothing but its request."""
    assert render(place, tmp_path / "a") == 0
    write_camera_path(tmp_path / "backwards.json", room_cameras(SIZE, 4)[::-1])
    assert render(place, tmp_path / "b", "--cameras", tmp_path / "backwards.json") == 0
    for i in range(4):
        forth = (tmp_path / "a" / f"{i:04d}.png").read_bytes()
        assert forth == (tmp_path / "b" / f"{3 - i:04d}.png").read_bytes()
    assert render(place, tmp_path / "c", "--seed", 1) == 0
    assert not np.array_equal(
        read_png(tmp_path / "a" / "0000.png"), read_png(tmp_path / "c" / "0000.png")
    )


def test_a_stopped_render_goes_on(place: Path, tmp_path: Path, capsys) -> None:
    assert render(place, tmp_path) == 0
    whole = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    (tmp_path / "0002.png").unlink()
    (tmp_path / "0003.png").write_bytes(whole["0003.png"][:200])
    capsys.readouterr()
    assert render(place, tmp_path, "--json") == 0
    frames = json.loads(capsys.readouterr().out)["frames"]
    assert [frame.get("kept", False) for frame in frames] == [True, True, False, False]
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == whole


def test_another_world_is_rendered_anew(place: Path, tmp_path: Path, capsys) -> None:
    assert render(place, tmp_path / "o") == 0
    world = room_world(SIZE)
    world.memory[0].rgb[:] = 200
    save_world(world, tmp_path / "world")
    capsys.readouterr()
    assert render(place, tmp_path / "o", "--json", world=tmp_path / "world") == 0
    assert not any("kept" in f for f in json.loads(capsys.readouterr().out)["frames"])


def test_size_is_that_of_the_frames(place: Path, tmp_path: Path) -> None:
    assert render(place, tmp_path, "--size", "70x30") == 0
    assert read_png(tmp_path / "0000.png").shape == (30, 70, 3)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--size", "12"], "from 16 to 8192"),
        (["--size", "0x16"], "from 16 to 8192"),
        (["--size", "20000x20000"], "from 16 to 8192"),
        (["--steps", "9"], "steps"),
        (["--model", "absent"], "absent"),
        (["--device", "abacus"], "abacus"),
    ],
)
def test_wrong_options_are_one_sentence(
    place: Path, tmp_path: Path, capsys, more: list[str], says: str
) -> None:
    assert render(place, tmp_path / "o", *more) == 2
    err = capsys.readouterr().err
    sentence = err[err.index("Error: ") :]
    assert says in sentence and sentence.count("\n") == 1
    assert not (tmp_path / "o").exists() or not list((tmp_path / "o").iterdir())


@pytest.mark.parametrize("damage", ["absent", "empty", "cut", "newer"])
def test_a_damaged_world_is_one_sentence(place: Path, tmp_path: Path, capsys, damage: str) -> None:
    world = tmp_path / "world"
    shutil.copytree(place / "world", world)
    if damage == "absent":
        shutil.rmtree(world)
    elif damage == "empty":
        (world / "world.json").write_text("")
    elif damage == "cut":
        file = world / "anchors.safetensors"
        file.write_bytes(file.read_bytes()[:100])
    else:
        data = json.loads((world / "world.json").read_text())
        data["version"] = 999
        (world / "world.json").write_text(json.dumps(data))
    assert render(place, tmp_path / "o", world=world) == 2
    err = capsys.readouterr().err
    assert err.startswith("Error: ") and err.count("\n") == 1


def test_a_full_disk_leaves_nothing_half_written(
    place: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert render(place, tmp_path) == 1
    assert "No space left" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_replacing_keeps_the_old_file_until_the_new_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_atomically(path, b"old")
    with pytest.raises(RuntimeError), replacing(path) as beside:
        beside.write_bytes(b"half of the")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    with pytest.raises(WorldFMError, match="could not be written"):
        write_atomically(tmp_path / "no such folder" / "a", b"")
    assert [file.name for file in tmp_path.iterdir()] == ["a.bin"]


@pytest.fixture(scope="module")
def evaluated(place: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """What `evaluate` wrote, and what it printed."""
    made, said = tmp_path_factory.mktemp("evaluated"), io.StringIO()
    common = ["evaluate", place / "dataset", "--model", place / "model", "--device", "cpu"]
    with contextlib.redirect_stdout(said):
        assert worldfm(*common, "--references", "0,4", "--baselines", "-o", made) == 0
    return made, said.getvalue()


def test_evaluate_measures_frames_by_every_method(evaluated: tuple[Path, str]) -> None:
    metrics = json.loads((evaluated[0] / "metrics.json").read_text())
    assert metrics["references"] == [0, 4]
    assert [target["name"] for target in metrics["targets"]] == [f"images/0{i}" for i in (1, 2, 3)]
    assert set(metrics["baselines"]) == {"splat", "splat+telea", "splat3x3+telea", "backward+telea"}
    for method in (metrics, *metrics["baselines"].values()):
        mean = np.mean([target["psnr"] for target in method["targets"]])
        assert method["mean"]["psnr"] == pytest.approx(mean)
        assert {"ssim", "psnr_holes", "coverage", "ms"} <= set(method["mean"])
    assert metrics["baselines"]["backward+telea"]["mean"]["psnr"] > 25
    assert {"anchors", "decoder", "total"} <= set(metrics["mean"]["ms"])


def test_evaluate_makes_a_sheet_and_a_table(evaluated: tuple[Path, str]) -> None:
    folder, said = evaluated
    assert read_png(folder / "contact_sheet.png").shape[0] > 3 * SIZE
    assert "backward+telea" in said


def test_evaluate_of_several_runs_has_a_summary(place: Path, tmp_path: Path, capsys) -> None:
    common = ["evaluate", place, "--model", "none", "--baselines", "--spread", 1, "--spread", 3]
    assert (
        worldfm(*common, "--geometry", "references", "--geometry", "all", "--json", "-o", tmp_path)
        == 0
    )
    groups = json.loads(capsys.readouterr().out)
    assert {(g["geometry"], g["references"]) for g in groups} == {
        ("references", 1), ("references", 3), ("all", 1), ("all", 3),
    }  # fmt: skip
    assert json.loads((tmp_path / "summary.json").read_text()) == groups
    assert (tmp_path / "dataset" / "all-3" / "metrics.json").is_file()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--references", "0,x"], "numbers"),
        (["--references", "0,9"], "0 to 4"),
        (["--geometry", "mesh"], "mesh"),
        (["--spread", "5"], "5 references"),
        ([], "--baselines"),
    ],
)
def test_evaluate_refuses_in_one_sentence(
    place: Path, tmp_path: Path, capsys, more: list[str], says: str
) -> None:
    asked = ["--baselines"] if more else []
    code = worldfm("evaluate", place / "dataset", "--model", "none", *asked, *more, "-o", tmp_path)
    assert code == 2
    err = capsys.readouterr().err
    assert says in err[err.index("Error: ") :]
    assert list(tmp_path.iterdir()) == []


def test_a_missing_meta_json_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(WorldFMError, match="cannot be read"):
        command._load(tmp_path / "absent.json", None)

# SPDX-License-Identifier: GPL-3.0-or-later
"""`worldfm world ...` from end to end, in this process."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from backend.cli import main
from backend.conditioning.anchors.lifting import lift
from backend.data.nerfstudio import PosedFrame, write_dataset
from backend.models.depth import EMBEDDED
from backend.shared.anchors import Anchors
from backend.shared.camera_path import write_camera_path
from backend.shared.world_folder import load_world
from backend.world.exporters import export_ply

from ..world.test_grow import camera_at, picture
from ..world.test_import_images import png_that_claims
from ..world.test_photo_distortion import bent_picture


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in arguments])
    return int(ended.value.code or 0)


@pytest.fixture
def cloud(tmp_path: Path) -> Path:
    from backend.shared.frame import MemoryFrame

    camera = camera_at(0.0, -0.8)
    rgb, depth = picture(camera)
    export_ply(lift(MemoryFrame("a", "a", camera, rgb, depth)), tmp_path / "room.ply")
    Image.fromarray(rgb).save(tmp_path / "room.png")
    write_camera_path(tmp_path / "camera.json", [camera])
    return tmp_path


def test_points_in_and_out(cloud, capsys):
    assert run("world", "build", "--ply", cloud / "room.ply", "-o", cloud / "w", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    world = load_world(cloud / "w")
    assert said["points"] == len(world.anchors) > 1000 and said["memory"] == 0
    assert run("world", "export", cloud / "w", "--ply", cloud / "again.ply") == 0
    assert (cloud / "again.ply").read_bytes() == (cloud / "room.ply").read_bytes()


def test_meshes_are_counted_in_triangles(tmp_path, capsys):
    (tmp_path / "one.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    assert run("world", "build", "--ply", tmp_path / "one.obj", "-o", tmp_path / "w") == 0
    assert "w: 1 triangle, 0 memory frames" in capsys.readouterr().out.replace("\n", "")


@pytest.mark.parametrize(
    ("option", "name"), [("--splats", "w.spz"), ("--mesh", "w.obj"), ("--environment", "w.exr")]
)
def test_files_that_would_promise_another_kind_are_not_written(cloud, capsys, option, name):
    assert run("world", "build", "--ply", cloud / "room.ply", "-o", cloud / "w") == 0
    assert run("world", "export", cloud / "w", option, cloud / name) == 2
    assert "name a file in ." in capsys.readouterr().err
    assert not (cloud / name).exists()


def test_a_photo_of_the_points_grows_and_is_exported(cloud, capsys):
    build = ("world", "build", "--ply", cloud / "room.ply", "--image", cloud / "room.png",
             "--camera", cloud / "camera.json", "-o", cloud / "w")  # fmt: skip
    assert run(*build) == 0
    new = camera_at(0.5, 1.2)
    Image.fromarray(picture(new)[0]).save(cloud / "kept.png")
    write_camera_path(cloud / "new.json", [new])
    grow = ("world", "grow", cloud / "w", "--frame", cloud / "kept.png", "--camera",
            cloud / "new.json", "-o", cloud / "w2", "--depth", "embedded", "--json")  # fmt: skip
    if not (EMBEDDED / "weights.safetensors").is_file():
        assert run(*grow) == 2
        assert not (cloud / "w2").exists()
        return
    capsys.readouterr()
    assert run(*grow) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["added_points"] > 0
    steps = [json.loads(line)["progress"] for line in told.err.strip().splitlines()]
    assert steps == sorted(steps) and len(steps) >= 2
    grown = load_world(cloud / "w2")
    assert grown.revision == 2 and len(grown.memory) == 2
    assert load_world(cloud / "w").revision == 1
    assert run("world", "export", cloud / "w2", "--transforms", cloud / "t") == 0
    assert (cloud / "t" / "transforms.json").is_file()


def test_a_capture_says_what_its_depth_is_worth(tmp_path, capsys):
    frames = []
    for number, x in enumerate((-0.3, 0.0, 0.3)):
        camera = camera_at(x, -0.8)
        frames.append(PosedFrame(camera, *picture(camera), str(number)))
    write_dataset(tmp_path / "in", frames)
    build = ("world", "build", "--dataset", tmp_path / "in", "-o", tmp_path / "w")
    assert run(*build) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[1].startswith("Depth agrees in ") and said[2].startswith("Good near")
    assert run(*build, "--overwrite", "--json") == 0
    depth = json.loads(capsys.readouterr().out)["depth"]
    assert depth["agreement"] > 0.8 and len(depth["left_out_db"]) == 3
    assert depth["level"] == "good"
    assert "depth_agreement" in load_world(tmp_path / "w").provenance


def test_match_tells_the_camera(cloud, capsys):
    assert run("world", "match", cloud / "room.png", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["camera"]["size"] == [96, 72]
    assert 0 <= said["confidence"] <= 1


def test_match_writes_the_photo_that_it_made_straight(tmp_path, capsys):
    Image.fromarray(bent_picture(-0.12)).save(tmp_path / "bent.png")
    command = ("world", "match", tmp_path / "bent.png", "--straight", tmp_path / "s.png", "--json")
    assert run(*command) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["distortion"] == pytest.approx(-0.12, rel=0.1)
    with Image.open(tmp_path / "s.png") as straight:
        assert [*straight.size] == said["camera"]["size"]
    assert run(*command) == 2, "nothing is written over"


def bad_inputs(folder: Path) -> None:
    """What people and attackers bring, beside what is there already."""
    Image.new("RGB", (1, 1)).save(folder / "one.png")
    (folder / "bomb.png").write_bytes(png_that_claims(15_000, 15_000))
    properties = "".join(f"property float p{i}\n" for i in range(100_000))
    (folder / "wide.ply").write_text(f"ply\nformat ascii 1.0\n{properties}end_header\n")
    camera = camera_at(0.0, -0.8)
    rgb, depth = picture(camera)
    for name, files in (
        ("leaves", ["images/0.png", "../room.png"]),
        ("twice", ["images/0.png", "images/0.png"]),
        ("bombs", ["images/0.png", "images/bomb.png"]),
    ):
        write_dataset(folder / name, [PosedFrame(camera, rgb, depth, "0")])
        (folder / name / "images" / "bomb.png").write_bytes(png_that_claims(15_000, 15_000))
        path = folder / name / "transforms.json"
        header = json.loads(path.read_text())
        header["frames"] = [header["frames"][0] | {"file_path": file} for file in files]
        path.write_text(json.dumps(header))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--image", "{tmp}/broken.jpg"], "damaged or not a picture|not a picture"),
        (["--image", "{tmp}/one.png"], "only 1 x 1 pixels"),
        (["--image", "{tmp}/bomb.png"], "160 megapixels"),
        (["--panorama", "{tmp}/bomb.png"], "160 megapixels"),
        (["--ply", "{tmp}/wide.ply"], "positions and colours only"),
        (["--dataset", "{tmp}/leaves"], "outside its folder"),
        (["--dataset", "{tmp}/twice"], "twice"),
        (["--dataset", "{tmp}/bombs"], "160 megapixels"),
        (["--panorama", "{tmp}/room.png"], "twice as wide as high"),
        (["--dataset", "{tmp}"], "160 megapixels"),  # a folder of pictures, one of them a bomb
        (["--ply", "{tmp}/broken.jpg"], "not a PLY"),
        (["--meta", "{tmp}/camera.json"], "needs name, image, K"),
        (["--image", "{tmp}/room.png", "--camera", "{tmp}/broken.fspy"], "not an fSpy project"),
        (["--image", "{tmp}/room.png", "--camera-height", "-2"], "more than 0"),
        (["--image", "{tmp}/room.png", "--depth", "banana"], "no depth estimator 'banana'"),
    ],
)
def test_faults_are_one_sentence_and_leave_nothing(cloud, capsys, arguments, said):
    (cloud / "broken.jpg").write_bytes(b"nothing to see")
    (cloud / "broken.fspy").write_bytes(b"nothing to see")
    bad_inputs(cloud)
    filled = [a.format(tmp=cloud) for a in arguments]
    before = sorted(p.name for p in cloud.iterdir())
    assert run("world", "build", *filled, "-o", cloud / "w", "--json") == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Error:")]
    assert len(error) == 1

    assert re.search(said, error[0])
    assert sorted(p.name for p in cloud.iterdir()) == before


def test_worlds_of_empty_clouds_are_refused(tmp_path, capsys):
    export_ply(Anchors.empty(), tmp_path / "a.ply")
    assert run("world", "build", "--ply", tmp_path / "a.ply", "-o", tmp_path / "w") == 2
    assert "no usable points" in capsys.readouterr().err
    assert not (tmp_path / "w").exists()

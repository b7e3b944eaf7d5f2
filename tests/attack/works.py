# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user has done that takes a while and writes files: to be cut off in the middle.

Each work has an old state to lose and a new one to make, and says of a folder which of them it
holds. `wrong` names everything that is neither.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

from backend.cli import main
from backend.client.install_task import InstallTask
from backend.client.installer import Installation
from backend.data.nerfstudio import read_dataset
from backend.evaluation.bench import room_cameras, room_world
from backend.frame_files import read_png
from backend.models.convert import convert
from backend.models.download import download
from backend.models.frame_model import FrameModel
from backend.models.load_frame_model import save_frame_model
from backend.models.store import verify
from backend.shared.camera_path import write_camera_path
from backend.shared.errors import WorldFMError
from backend.shared.world_folder import load_world, save_world, world_hash
from backend.world import environment
from backend.world.progress import silent
from tests.client.shelf import choice, make_wheel
from tests.models.official_room import CONFIG, reference_weights, write_vae
from tests.scenes.ply import points_of

SIZE = 40
FRAMES = 3
USERS = {"notes.txt": b"mine", "frames/0000.png": b"my frame", "cameras.json": b"{}"}
LEFTOVERS = (".part", ".journal", "worldfm-colmap-", ".tmp")


@dataclass(frozen=True)
class Work:
    """prepare: inputs and the old state. do: what is cut off. state: "old", "new" or what is wrong.

    share: of the moments that others have; slow ones that write little have fewer.
    """

    name: str
    prepare: Callable[[Path], None]
    do: Callable[[Path], None]
    state: Callable[[Path], str]
    share: float = 1.0


def worldfm(*arguments: object) -> None:
    """The command line, which ends this process."""
    main([str(argument) for argument in arguments])


@cache
def world(seed: int) -> object:
    """A small room; worlds of other seeds have other anchors."""
    made = room_world(SIZE)
    made.anchors.rgb[:] = np.random.default_rng(seed).integers(1, 255, made.anchors.rgb.shape)
    return made


def users_files(folder: Path) -> str:
    """ "" or which of the user's own files in a world's folder is not as it was."""
    for name, content in USERS.items():
        if not (folder / name).is_file() or (folder / name).read_bytes() != content:
            return f"file lost: {name}"
    return ""


def leftovers(folder: Path) -> list[str]:
    """Half-made things; there must be none after the next time."""
    return [
        f"left behind: {path.name}"
        for path in folder.rglob("*")
        if any(word in path.name for word in LEFTOVERS)
    ]


def _with_users_files(folder: Path) -> None:
    for name, content in USERS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def _prepare_save(folder: Path) -> None:
    save_world(world(1), folder / "w")
    _with_users_files(folder / "w")


def _state_of_world(folder: Path) -> str:
    try:
        found = world_hash(load_world(folder / "w"))
    except WorldFMError as error:
        return f"file lost: {error}"
    hashes = {world_hash(world(1)): "old", world_hash(world(2)): "new"}
    return users_files(folder / "w") or hashes.get(found, "file lost: another world is there")


def _prepare_export(folder: Path) -> None:
    save_world(world(1), folder / "w")
    worldfm_quietly("world", "export", folder / "w", "--ply", folder / "points.ply",
                    "--transforms", folder / "set")  # fmt: skip
    save_world(world(2), folder / "w", overwrite=True)
    _with_users_files(folder / "set")


def worldfm_quietly(*arguments: object) -> None:
    """The command line, as a step of a preparation."""
    with (
        contextlib.suppress(SystemExit),
        open(os.devnull, "w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        worldfm(*arguments)


def _state_of_export(folder: Path) -> str:
    try:
        points = points_of(folder / "points.ply").rgb
        read_dataset(folder / "set")
    except WorldFMError as error:
        return f"file lost: {error}"
    for seed, name in ((1, "old"), (2, "new")):
        if np.array_equal(points, world(seed).anchors.rgb):
            return users_files(folder / "set") or name
    return "file lost: other points are there"


BAKES = {"--splats": "splats.ply", "--mesh": "mesh.glb", "--environment": "around.hdr"}
AROUND = 128
"""Pixels of a picture of what is around, which else takes longer than all other files."""


def _bake(world: Path, folder: Path, run: Callable[..., None]) -> None:
    """Write all that is computed of a world into a folder."""
    targets = [word for option, name in BAKES.items() for word in (option, folder / name)]
    with patch.object(environment.export_environment, "__defaults__", (silent, AROUND)):
        run("world", "export", world, *targets, "--overwrite")


def _prepare_bake(folder: Path) -> None:
    """The old files in old/ and out/, what they are to become in new/."""
    for seed, name in ((1, "old"), (2, "new")):
        save_world(world(seed), folder / "w", overwrite=True)
        (folder / name).mkdir()
        _bake(folder / "w", folder / name, worldfm_quietly)
    shutil.copytree(folder / "old", folder / "out")
    _with_users_files(folder / "out")


def _state_of_bake(folder: Path) -> str:
    states = set()
    for name in BAKES.values():
        made = [(folder / side / name).read_bytes() for side in ("out", "old", "new")]
        if made[0] not in made[1:]:
            return f"file lost: {name} is half written"
        states.add("new" if made[0] == made[2] else "old")
    return users_files(folder / "out") or ("new" if states == {"new"} else "old")


def _prepare_model(folder: Path) -> None:
    torch.save(reference_weights(), folder / "worldfm_1-step.pth")
    write_vae(folder / "vae")


def _convert(folder: Path) -> None:
    os.environ["WORLDFM_MODELS"] = str(folder / "models")
    convert(folder / "worldfm_1-step.pth", folder / "vae", "small", steps=1, config=CONFIG)


def _state_of_models(folder: Path) -> str:
    os.environ["WORLDFM_MODELS"] = str(folder / "models")
    models = folder / "models"
    found = [path for path in models.iterdir() if path.is_dir()] if models.is_dir() else []
    found = [path for path in found if not path.name.startswith(".")]
    if not found:
        return "old"
    problems = [problem for path in found for problem in verify(path)]
    return f"file lost: {problems[0]}" if problems else "new"


def _download(folder: Path) -> None:
    os.environ["WORLDFM_MODELS"] = str(folder / "models")
    download("worldfm-1-step", config=CONFIG, cache_dir=folder / "cache")


def _prepare_install(folder: Path) -> None:
    shelf = folder / "shelf"
    shelf.mkdir()
    make_wheel(shelf, "alpha")
    make_wheel(shelf, "beta", size=400_000)
    (folder / "data").mkdir()


def _install(folder: Path) -> None:
    for name in [name for name in os.environ if name.startswith(("UV_", "PIP_"))]:
        del os.environ[name]
    os.environ |= {"UV_FIND_LINKS": str(folder / "shelf"), "UV_NO_INDEX": "1"}
    wanted, installation = choice(folder / "shelf", "uv"), Installation(folder / "data")
    task = InstallTask(installation, lambda one: one.install(wanted))
    task.join(120)
    if task.error is not None:
        print(f"Error: {task.error}", file=sys.stderr)
        raise SystemExit(1)


def _state_of_install(folder: Path) -> str:
    wanted, installation = choice(folder / "shelf", "uv"), Installation(folder / "data")
    if not installation.environment.exists():
        return "old"
    problems = installation.verify(wanted.requirements)
    return f"file lost: {problems[0]}" if problems else "new"


def _prepare_render(folder: Path) -> None:
    torch.manual_seed(0)
    model = FrameModel(widths=(8, 8, 16, 16), token_width=48, heads=2, layers=1)
    save_frame_model(model, folder / "model", {})
    save_world(world(1), folder / "w")
    write_camera_path(folder / "path.json", room_cameras(SIZE, FRAMES))
    (folder / "out").mkdir()
    (folder / "out" / "notes.txt").write_bytes(b"mine")


def _state_of_render(folder: Path) -> str:
    if (folder / "out" / "notes.txt").read_bytes() != b"mine":
        return "file lost: notes.txt"
    whole = 0
    for path in (folder / "out").glob("*.png"):
        if path.name.startswith("."):
            continue
        try:
            whole += read_png(path).shape == (SIZE, SIZE, 3)
        except (OSError, SyntaxError) as error:
            return f"frame lost: {path.name} is half written ({error})"
    return "new" if whole == FRAMES else "old"


WORKS = [
    Work("save", _prepare_save, lambda f: save_world(world(2), f / "w", overwrite=True),
         _state_of_world),
    Work("export", _prepare_export,
         lambda f: worldfm("world", "export", f / "w", "--ply", f / "points.ply", "--transforms",
                           f / "set", "--overwrite"), _state_of_export),
    Work("bake", _prepare_bake, lambda f: _bake(f / "w", f / "out", worldfm), _state_of_bake),
    Work("convert", _prepare_model, _convert, _state_of_models),
    Work("download", lambda folder: None, _download, _state_of_models),
    Work("install", _prepare_install, _install, _state_of_install),
    Work("render", _prepare_render,
         lambda f: worldfm("render", f / "w", "--cameras", f / "path.json", "--model", f / "model",
                           "--device", "cpu", "-o", f / "out"), _state_of_render, share=0.25),
]  # fmt: skip


def said_as_json(text: str) -> object:
    """The last line that is JSON."""
    for line in reversed(text.splitlines()):
        with contextlib.suppress(ValueError):
            return json.loads(line)
    return None

# SPDX-License-Identifier: GPL-3.0-or-later
"""What is ours in a folder is replaced as a whole; what is the user's is never touched."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from backend.shared import leftovers
from backend.shared.errors import WorldFMError
from backend.shared.files import new_folder, replacing, write_atomically
from backend.shared.own_files import WORLD

HERE = Path(__file__).parent


def dead_process() -> int:
    """The number of a process that has ended."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def dead_mark() -> str:
    host, _, rest = leftovers.new_mark().split("-")
    return f"{host}-{dead_process():x}-{rest}"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that are copies")
@pytest.mark.parametrize("how", ["kill", "full"])
def test_a_save_that_is_cut_off_anywhere_loses_nothing(tmp_path, how):
    done = subprocess.run(
        [sys.executable, HERE / "crashes.py", how, tmp_path],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20


def test_half_made_things_of_the_dead_go_and_others_stay(tmp_path):
    dead, alive = dead_mark(), leftovers.new_mark()
    elsewhere = "ffff" if not alive.startswith("ffff") else "0000"
    mine = [".letter.part", ".part", "a.part", f".world.{alive}.part", ".world.12345678.part",
            f".world.{elsewhere}{dead[4:]}.part"]  # fmt: skip
    for name in (*mine, f".world.{dead}.part", f".film.{dead}.part.mp4"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "half").write_text("")
    with new_folder(tmp_path / "world") as part:
        (part / "whole").write_text("")
    assert {path.name for path in tmp_path.iterdir()} == {*mine, "world"}


def test_temporary_folders_of_the_dead_go(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in (f"worldfm-colmap-{dead_mark()}-x", f"worldfm-{dead_mark()}-y", "worldfm-mine"):
        (tmp_path / name).mkdir()
    with leftovers.temporary_folder("colmap") as folder:
        (folder / "a").write_text("")
        assert {path.name for path in tmp_path.iterdir()} == {"worldfm-mine", folder.name}
    assert [path.name for path in tmp_path.iterdir()] == ["worldfm-mine"]


def test_files_are_readable_as_the_user_wants(tmp_path):
    before = os.umask(0o022)
    try:
        with WORLD.draft(tmp_path / "w") as draft:
            path, listed = draft.file("anchors.safetensors")
            path.write_text("")
            draft.manifest = json.dumps({"anchors": listed, "memory": []}).encode()
        write_atomically(tmp_path / "a.json", b"")
    finally:
        os.umask(before)
    for path in (tmp_path / "w" / "world.json", tmp_path / "w" / listed, tmp_path / "a.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "w").stat().st_mode) == 0o755


def test_a_manifest_cannot_name_the_users_files_as_its_own(tmp_path):
    folder = tmp_path / "w"
    (folder / "memory").mkdir(parents=True)
    names = ["notes.txt", "../letter.txt", "memory/holiday.png", "/etc/hosts", "world.json"]
    (tmp_path / "letter.txt").write_text("dear")
    (folder / "notes.txt").write_text("mine")
    (folder / "memory" / "holiday.png").write_text("mine")
    tree = {"memory": [{"image": name, "depth": name} for name in names], "more": {"a": None}}
    (folder / "world.json").write_text(json.dumps(tree))
    journal = folder / f".world.json.{dead_mark()}.journal"
    journal.write_text("\n".join(map(json.dumps, names)) + '\n{"cut')
    with WORLD.draft(folder) as draft:
        draft.manifest = b"{}"
    left = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file())
    assert left == ["letter.txt", "w/memory/holiday.png", "w/notes.txt", "w/world.json"]


def test_an_error_of_the_writer_leaves_everything_as_it_was(tmp_path):
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "a" / "b" / "c") as part:
        (part / "half").write_text(str(1 / 0))
    with (
        pytest.raises(WorldFMError, match=r"'.*film\.mp4' could not be written"),
        replacing(tmp_path / "film.mp4"),
    ):
        raise RuntimeError("muxer: No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_names_at_the_limit_can_be_written(tmp_path):
    path = tmp_path / ("n" * 251 + ".txt")
    write_atomically(path, b"long")
    assert path.read_bytes() == b"long"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no pipes in folders")
def test_a_pipe_or_a_device_is_not_replaced_by_a_file(tmp_path):
    pipe, link = tmp_path / "pipe.json", tmp_path / "link.json"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for path in (pipe, link):
        with pytest.raises(WorldFMError, match="choose another name"):
            write_atomically(path, b"{}")
    assert pipe.is_fifo() and link.is_symlink()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["link.json", "pipe.json"]

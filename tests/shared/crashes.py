# SPDX-License-Identifier: GPL-3.0-or-later
"""Saves a world's files again and again, each time cut off at the next thing it does to the disk.

    python crashes.py kill|full FOLDER

Each save is a process of its own that ends (kill), or is refused by the disk (full), at its n-th
call to open, rename, remove or make a file or folder; n counts up until a save gets through.
Prints how many there were; raises AssertionError where something was lost or left behind.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from backend.shared.errors import WorldFMError
from backend.shared.own_files import WORLD

TOUCHES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir"}
USERS = {"notes.txt": b"mine", "cameras.json": b"{}", "frames/0000.png": b"frame"}


def write(folder: Path, state: int) -> None:
    """A state in which every file says which one it belongs to; a later one has fewer frames."""
    with WORLD.draft(folder) as draft:
        memory = []
        for i in range(3 - state % 2):
            entry = {}
            for kind, name in (("image", f"{i:04d}.png"), ("depth", f"{i:04d}.depth.npy")):
                path, entry[kind] = draft.file(f"memory/{name}")
                path.write_text(str(state))
            memory.append(entry)
        path, anchors = draft.file("anchors.safetensors")
        path.write_text(str(state))
        tree = {"state": state, "anchors": anchors, "more": {}, "memory": memory}
        draft.manifest = json.dumps(tree).encode()


def check(folder: Path, states: tuple[int, ...]) -> int:
    """The state that is there: all of it is, and what is the user's."""
    tree = json.loads((folder / "world.json").read_text())
    names = [tree["anchors"], *(e[k] for e in tree["memory"] for k in ("image", "depth"))]
    assert tree["state"] in states, (tree["state"], states)
    for name in names:
        assert (folder / name).read_text() == str(tree["state"]), name
    for name, content in USERS.items():
        assert (folder / name).read_bytes() == content, name
    return tree["state"]


def files(folder: Path) -> set[str]:
    """Everything below a folder's parent."""
    return {str(p.relative_to(folder.parent)) for p in folder.parent.rglob("*") if p.is_file()}


def in_child(how: str, limit: int, folder: Path, state: int) -> str:
    """Save in a process that is cut off at its `limit`-th touch; "whole" when it got through."""
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        with os.fdopen(reader) as pipe:
            said = pipe.read()
        status = os.waitpid(child, 0)[1]
        return said or ("killed" if os.WEXITSTATUS(status) == 9 else f"status {status}")
    count = 0

    def cut_off(event: str, arguments: tuple) -> None:
        nonlocal count
        if event not in TOUCHES:
            return
        if event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
            return
        count += 1
        if count == limit and how == "kill":
            os._exit(9)
        removes = event in ("os.remove", "os.rmdir")  # a full disk lets go of files
        if count >= limit and how == "full" and not removes:
            raise OSError(errno.ENOSPC, "No space left on device")

    sys.addaudithook(cut_off)
    try:
        write(folder, state)
        os.write(writer, b"whole")
    except WorldFMError as error:
        os.write(writer, f"refused: {error}".encode())
    os._exit(0)


def main(how: str, place: Path) -> int:
    """Cut off at every touch, over a world that is there and where there is none."""
    cuts = 0
    for existing in (True, False):
        for limit in range(1, 1000):
            folder = place / "deep" / "world"
            if existing:
                write(folder, 1)
                (folder / "frames").mkdir()
                for name, content in USERS.items():
                    (folder / name).write_bytes(content)
            before = files(folder) if existing else set()
            said = in_child(how, limit, folder, 2)
            cuts += 1
            if existing:
                state = check(folder, (1, 2))
                assert said != "whole" or state == 2
            if how == "full" and said != "whole":
                assert f"'{folder}' could not be written (No space left" in said, said
                assert (files(folder) if existing else set(place.iterdir())) == before, said
            elif not existing and (folder / "world.json").exists():
                assert json.loads((folder / "world.json").read_text())["state"] == 2
            write(folder, 3)  # the next save clears what the dead one left
            if existing:
                check(folder, (3,))
            left = [name for name in files(folder) if ".part" in name or "journal" in name]
            own = {n.split("/", 2)[-1] for n in files(folder)} if existing else set()
            assert not left, left
            assert len([n for n in own if "." in n]) <= 6 + len(USERS), own
            shutil.rmtree(place / "deep")
            if said == "whole":
                break
    return cuts


if __name__ == "__main__":
    print(main(sys.argv[1], Path(sys.argv[2])))

# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder that holds files of ours among files of the user's.

One of ours, the manifest, names the others, and is replaced last: until then the old state is
whole, from then on the new one is. New files get names that nothing has yet; the old state's are
deleted afterwards. What is not ours by name, or is listed nowhere, is never touched. A journal
tells the next save what a killed one left behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from .errors import WorldFMError
from .files import is_of_the_disk, new_folder, not_written, write_atomically
from .leftovers import MARK, clear_beside, is_abandoned, new_mark, remove
from .reading import MALFORMED, inside, read_json

_JOURNAL_LINE = 4096


class Draft:
    """A new state that is being written. Thread-safe.

    folder: where its files are made. manifest: bytes; set it before the end.
    """

    def __init__(self, folder: Path, mark: str | None, journal: Path | None) -> None:
        self.folder = folder
        self.manifest: bytes | None = None
        self.written: list[str] = []
        self._mark = mark
        self._journal = journal
        self._lock = threading.Lock()

    def file(self, name: str) -> tuple[Path, str]:
        """(where to write the file that is to be called `name`, what the manifest calls it)."""
        plain = PurePosixPath(name)
        listed = name
        if self._mark is not None:
            stem, dot, ending = plain.name.partition(".")
            listed = str(plain.with_name(f"{stem}-{self._mark}{dot}{ending}"))
        with self._lock:
            self.note(listed)
            path = self.folder / listed
            path.parent.mkdir(exist_ok=True)
            self.written.append(listed)
        return path, listed

    def note(self, *names: str) -> None:
        """Write into the journal what has to go if this process dies."""
        if self._journal is not None:
            with open(self._journal, "a", encoding="utf-8") as journal:
                journal.writelines(json.dumps(name) + "\n" for name in names)


class OwnFiles:
    """What is ours in a kind of folder.

    manifest: its file's name. own: full match of the names that files of ours can have, relative
    to the folder, without marks. listed: the names that a manifest's tree names.
    """

    def __init__(
        self, manifest: str, own: str, listed: Callable[[dict[str, Any]], Iterable[str]]
    ) -> None:
        self.manifest = manifest
        self._own = re.compile(own)
        self._listed = listed

    @contextmanager
    def draft(self, folder: Path) -> Iterator[Draft]:
        """A new state of `folder`, which is absent, empty or holds a state already.

        The old one is kept until the new one is whole. Raises WorldFMError when it cannot be
        written; nothing of it stays then.
        """
        if not (folder / self.manifest).exists():
            with new_folder(folder) as part:
                draft = Draft(part, None, None)
                yield draft
                assert draft.manifest is not None, "the manifest was not set"
                (part / self.manifest).write_bytes(draft.manifest)
            return
        with self._changing(folder) as draft:
            yield draft

    @contextmanager
    def _changing(self, folder: Path) -> Iterator[Draft]:
        self.clear(folder)
        mark = new_mark()
        journal = self._journal(folder, mark)
        draft = Draft(folder, mark.replace("-", ""), journal)
        new = False
        try:
            yield draft
            assert draft.manifest is not None, "the manifest was not set"
            old = self._files(folder)
            draft.note(*old)
            write_atomically(folder / self.manifest, draft.manifest)
            new = True
            self._delete(folder, old - set(draft.written))
        except Exception as error:
            cause = error.__cause__ if isinstance(error, WorldFMError) else error
            if not isinstance(cause, Exception) or not is_of_the_disk(cause):
                raise
            raise not_written(folder, cause) from error  # the user named the folder, not its files
        finally:
            if not new:
                self._delete(folder, set(draft.written))
            remove(journal)

    def clear(self, folder: Path) -> None:
        """Remove what killed saves left in `folder`."""
        clear_beside(folder)
        pattern = re.compile(rf"\.{re.escape(self.manifest)}\.(?P<mark>{MARK})\.journal")
        with contextlib.suppress(OSError):
            for name in os.listdir(folder):
                found = pattern.fullmatch(name)
                if found and is_abandoned(found["mark"]):
                    named = self._noted(folder / name)
                    self._delete(folder, named - self._files(folder))
                    remove(folder / name)

    def _journal(self, folder: Path, mark: str) -> Path:
        return folder / f".{self.manifest}.{mark}.journal"

    def _noted(self, journal: Path) -> set[str]:
        names = set()
        with contextlib.suppress(OSError, UnicodeDecodeError), open(journal, encoding="utf-8") as f:
            for line in f:
                with contextlib.suppress(ValueError, RecursionError):  # cut off by the kill
                    name = json.loads(line[:_JOURNAL_LINE])
                    if isinstance(name, str):
                        names.add(name)
        return names

    def _files(self, folder: Path) -> set[str]:
        """What the present manifest names; nothing when it cannot be read."""
        try:
            tree = read_json(folder / self.manifest)
            return {name for name in self._listed(tree) if isinstance(name, str)}
        except MALFORMED:
            return set()

    def _delete(self, folder: Path, names: set[str]) -> None:
        """Delete those of the files that are ours by name, and folders that are empty then."""
        emptied = set()
        for name in names:
            if not self._is_own(name):
                continue
            with contextlib.suppress(WorldFMError, OSError):
                path = inside(folder, name)
                path.unlink(missing_ok=True)
                emptied.add(path.parent)
        for place in emptied - {folder.resolve()}:
            with contextlib.suppress(OSError):
                place.rmdir()

    def _is_own(self, name: str) -> bool:
        plain = re.sub(r"-[0-9a-f]{13,20}(?=\.)", "", name)
        return self._own.fullmatch(plain) is not None


def _listed_by_a_world(tree: dict[str, Any]) -> Iterator[str]:
    if "files" in tree:
        yield from tree["files"]
        return
    yield tree.get("anchors", "anchors.safetensors")
    yield from tree.get("more", {"blockout.npz": "blockout.npz"}).values()
    for frame in tree["memory"]:
        yield from (frame["image"], frame["depth"])


WORLD = OwnFiles(
    "world.json",
    r"(anchors|scene)\.safetensors|blockout\.npz|memory/\d{4,}(\.png|\.(depth|radiance)\.npy)",
    _listed_by_a_world,
)
"""The files of a world's folder (world_folder.py)."""

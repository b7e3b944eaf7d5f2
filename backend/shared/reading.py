# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that strangers made: JSON and bytes within bounds, and every fault as one sentence.

A reader wraps what it does with a file's content in `as_sentence`; whatever Python raises about
content that lies becomes the one error that the reader names. Standard library and numpy only.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import stat
import struct
import sys
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path, PureWindowsPath
from typing import Any

from .errors import InputError, OutOfMemoryError, WorldFMError

MOST_JSON = 64 << 20
"""Bytes of a JSON file that are read at most."""
MOST_DIGITS = 32
"""Digits of a number in JSON: more is no measure of anything."""
MOST_REASON = 160
MOST_NAME = 500

MALFORMED: tuple[type[Exception], ...] = (
    ArithmeticError,  # overflow and division by zero
    AttributeError,
    EOFError,
    LookupError,  # keys and indices
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,  # Unicode and JSON too
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What Python, numpy and the standard library raise about content that is not what it says."""

_ODD_ESCAPES = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


@contextmanager
def as_sentence(say: Callable[[str], WorldFMError], *more: type[Exception]) -> Iterator[None]:
    """What the block raises about malformed content becomes `say(reason)`.

    reason: a few words without a full stop. more: exceptions of libraries, or WorldFMErrors that
    have to be told in this sentence; any other WorldFMError passes.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, MemoryError):
            raise OutOfMemoryError(
                "There is not enough memory to read this file; close other programs, or use a "
                "smaller one."
            ) from error
        ours = isinstance(error, WorldFMError)
        if not isinstance(error, more) and (ours or not isinstance(error, MALFORMED)):
            raise
        raise say(reason(error)) from error


def reason(error: BaseException) -> str:
    """What an exception says, short enough for a sentence."""
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if isinstance(error, KeyError):
        return f"{str(error)[:40]} is missing" if error.args else "something is missing"
    text = getattr(error, "strerror", None) or str(error)
    line = next((line.strip() for line in str(text).splitlines() if line.strip()), "")
    line = line.encode("ascii", "backslashreplace").decode().rstrip(".")
    return line[:MOST_REASON] or type(error).__name__


def open_plain(path: Path) -> BufferedReader:
    """Open a plain file to read. Raises OSError, also for what may wait or never end: pipes,
    devices."""
    return open(path, "rb", opener=_plain)  # a file that knows its name


def _plain(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no plain file", path)
    return descriptor


def read_bytes(path: Path, most: int) -> bytes:
    """A file's content. Raises OSError, and ValueError when it has more than `most` bytes."""
    with open_plain(path) as file:
        size = os.fstat(file.fileno()).st_size
        data = b"" if size > most else file.read(size + 1)  # as much is set aside at once
    if max(size, len(data)) > most:
        raise ValueError(f"it has more than {most >> 20 or 1} MB")
    return data


def read_json(path: Path, most: int = MOST_JSON) -> Any:
    """A JSON file. Raises what `parse_json` raises, and OSError: use it within `as_sentence`."""
    return parse_json(read_bytes(path, most))


def parse_json(text: str | bytes) -> Any:
    """JSON whose numbers are finite and whose strings can be written down again.

    Raises ValueError for text that is no JSON, not UTF-8, or holds NaN, infinities (1e999 too),
    numbers of more than MOST_DIGITS digits, NUL characters or half of a surrogate pair;
    RecursionError for one that is nested too deep.
    """
    data = text.encode("utf-8") if isinstance(text, str) else text.removeprefix(b"\xef\xbb\xbf")
    tree = json.loads(
        data.decode("utf-8"),
        parse_constant=_refused_constant,
        parse_float=_finite,
        parse_int=_short,
    )
    if _ODD_ESCAPES.search(data):
        _check_strings(tree)
    return tree


def json_object(path: Path, say: Callable[[str], WorldFMError]) -> dict[str, Any]:
    """A JSON file that holds an object; every other one is `say(reason)`."""
    with as_sentence(say):
        tree = read_json(path)
        if not isinstance(tree, dict):
            raise ValueError("it holds no JSON object")
        return tree


def inside(folder: Path, listed: object, say: Callable[[str], WorldFMError] | None = None) -> Path:
    """The path of a file that a file in `folder` names; never one outside of it.

    Raises `say(reason)`, an InputError by default.
    """
    say = say or (lambda why: InputError(f"'{folder.name}' names a file that {why}."))
    if not isinstance(listed, str) or not listed or "\0" in listed:
        raise say("has no name")
    if len(listed) > MOST_NAME:
        raise say("has too long a name")
    if names_another_computer(listed):  # resolving it would ask there
        raise say("lies outside its folder")
    with as_sentence(lambda _: say("cannot be one")):
        path = resolved(folder / listed)
        if path.is_relative_to(resolved(folder)):
            return path
    raise say("lies outside its folder")


def resolved(path: Path) -> Path:
    """Without links, also where these go in a circle: Path.resolve() raises a RuntimeError then."""
    return Path(os.path.realpath(path))


def names_another_computer(path: str) -> bool:
    r"""Whether Windows would ask another computer, or a device, for a path: \\server\share,
    //server/share, \\.\pipe, but not \\?\C:\folder. The mere question gives it the user's name."""
    return re.match(r"[\\/]{2}(?![?.][\\/][A-Za-z]:)", path) is not None


def is_elsewhere(path: str, known: Iterable[str], system: str = sys.platform) -> bool:
    """Whether looking at `path` would have Windows call a computer that none of the `known` paths,
    which the user chose, is on already."""
    if system != "win32" or not names_another_computer(path):
        return False
    return _share(path) not in {_share(one) for one in known}


def number(value: object, least: float = -math.inf, most: float = math.inf) -> float:
    """A finite number of JSON within bounds. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{str(value)[:40]!r} is no number")
    if not (math.isfinite(value) and least <= value <= most):
        raise ValueError(f"{value:g} is not from {least:g} to {most:g}")
    return float(value)


def whole_number(value: object, least: int = 0, most: int = 2**63 - 1) -> int:
    """A whole number of JSON within bounds. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{str(value)[:40]!r} is no whole number")
    if not least <= value <= most:
        raise ValueError(f"{value} is not from {least} to {most}")
    return value


def _share(path: str) -> str:
    return PureWindowsPath(path).drive.lower()


def _refused_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is too large a number")
    return value


def _short(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise ValueError(f"a number has {len(text)} digits")
    return int(text)


def _check_strings(tree: Any) -> None:
    todo = [tree]
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            if "\0" in item:
                raise ValueError("a text has a zero character in it")
            item.encode("utf-8")  # half of a surrogate pair cannot be written down
        elif isinstance(item, dict):
            todo += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            todo += item

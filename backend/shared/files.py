# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are never half-written."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import WorldFMError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path`, with its ending, to write to; renamed to `path` when all went well.

    Raises WorldFMError when the file cannot be written (a full disk, a folder without access).
    """
    beside = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.part{path.suffix}")
    try:
        yield beside
        os.replace(beside, path)
    except OSError as error:
        raise WorldFMError(
            f"{path} could not be written ({error.strerror}); "
            "free some space there or choose another folder."
        ) from error
    finally:
        beside.unlink(missing_ok=True)


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` so that `path` holds its old content or all of the new. Raises WorldFMError."""
    with replacing(path) as beside:
        beside.write_bytes(data)

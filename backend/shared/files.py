# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are never half-written."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from .errors import WorldFMError


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` beside `path`, then rename: `path` holds the old content or all of the new.

    Raises WorldFMError when the file cannot be written (a full disk, a folder without access).
    """
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        beside.write_bytes(data)
        os.replace(beside, path)
    except OSError as error:
        raise WorldFMError(
            f"{path} could not be written ({error.strerror}); "
            "free some space there or choose another folder."
        ) from error
    finally:
        beside.unlink(missing_ok=True)

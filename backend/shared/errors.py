# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors a user meets. The message of each is one sentence that says what to do.

Anything that is not a `WorldFMError` is a bug and surfaces with its traceback.
"""

from __future__ import annotations


class WorldFMError(Exception):
    """Base of every error that is shown to the user as it stands.

    `code` travels over the wire, so that the other side can raise the same class again;
    `exit_code` is what the command line returns (1: the work failed, 2: the input is wrong).
    """

    code = "failed"
    exit_code = 1


class InputError(WorldFMError):
    """A file, an argument or a scene cannot be used as it is."""

    code = "input"
    exit_code = 2


class CameraError(InputError):
    """A camera this system cannot render (missing, orthographic, degenerate, too large)."""

    code = "camera"


class WorldError(InputError):
    """A world that is empty, corrupt, or of a newer version."""

    code = "world"


class ModelError(InputError):
    """A model file that is missing, damaged, or of another kind."""

    code = "model"


class BackendError(WorldFMError):
    """The backend process could not be started, refused, died, or did not answer."""

    code = "backend"


class OutOfMemoryError(WorldFMError):
    """The device ran out of memory; the message names the setting to lower."""

    code = "memory"


class Cancelled(WorldFMError):
    """The user asked for the work to stop."""

    code = "cancelled"


_BY_CODE: dict[str, type[WorldFMError]] = {
    cls.code: cls
    for cls in (
        WorldFMError,
        InputError,
        CameraError,
        WorldError,
        ModelError,
        BackendError,
        OutOfMemoryError,
        Cancelled,
    )
}


def error_from_code(code: str, message: str) -> WorldFMError:
    """The error of class `code` with `message`; an unknown code gives the base class."""
    return _BY_CODE.get(code, WorldFMError)(message)

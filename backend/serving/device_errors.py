# SPDX-License-Identifier: GPL-3.0-or-later
"""What exceptions of devices and libraries mean. torch is looked up, not imported: it may be
absent."""

from __future__ import annotations

import sys

from ..shared.errors import BackendError, ModelError, OutOfMemoryError, WorldFMError

_NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a smaller frame may succeed where this one failed."""
    if isinstance(error, (MemoryError, OutOfMemoryError)):
        return True
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    # the CPU's and Apple's allocators raise a plain RuntimeError
    return isinstance(error, RuntimeError) and any(w in str(error).lower() for w in _NO_MEMORY)


def is_device_lost(error: BaseException) -> bool:
    """Whether the device is unusable for the rest of this process (driver reset, unplugged)."""
    torch = sys.modules.get("torch")
    if torch is None or is_out_of_memory(error):
        return False
    return isinstance(error, torch.AcceleratorError)


def as_told(error: BaseException, doing: str, log: str) -> WorldFMError:
    """The error a client is told: a bug gets a sentence too, its traceback is in `log`."""
    said = (str(error).splitlines() or ["no reason given"])[0]
    if isinstance(error, WorldFMError):
        return error
    if isinstance(error, ImportError):
        return ModelError(
            f"The backend's environment is incomplete ({said}); press Repair in the preferences."
        )
    if is_device_lost(error):
        return BackendError(
            f"The device stopped working ({said}); update its driver, or choose another device in "
            "the preferences."
        )
    if is_out_of_memory(error):
        return OutOfMemoryError(
            "There is not enough memory to load the model; close other programs or choose "
            "another device."
        )
    return WorldFMError(
        f"The backend met an error it does not know while {doing} ({type(error).__name__}: {said})"
        f"; send {log} to the maintainers."
    )

# SPDX-License-Identifier: GPL-3.0-or-later
"""What a device's exceptions mean. torch is looked up, not imported: it may be absent."""

from __future__ import annotations

import sys

from ..shared.errors import OutOfMemoryError

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

# SPDX-License-Identifier: GPL-3.0-or-later
"""What the system allows this process, looked at before libraries fail on it without a word."""

from __future__ import annotations

import contextlib

from .shared.errors import OutOfMemoryError

LEAST_BYTES = 1_900_000_000
"""Of address space, with which a small frame is rendered; below it libraries abort."""
FILES = 256
"""Open files that a session in the viewport with its models stays below."""


def check_limits() -> None:
    """Raises OutOfMemoryError when this process may not use enough memory; takes as many open
    files as it may have."""
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    memory, _ = resource.getrlimit(resource.RLIMIT_AS)
    if memory != resource.RLIM_INFINITY and memory < LEAST_BYTES:
        raise OutOfMemoryError(
            f"This process may use {memory / 1e9:.1f} GB of memory and needs "
            f"{LEAST_BYTES / 1e9:.1f}; raise the limit (ulimit -v) and try again."
        )
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files != resource.RLIM_INFINITY and files < FILES:
        wanted = FILES if most == resource.RLIM_INFINITY else min(FILES, most)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))

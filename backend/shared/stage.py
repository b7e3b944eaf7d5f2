# SPDX-License-Identifier: GPL-3.0-or-later
"""What work that takes long is at, in a few words for whoever waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_here = threading.local()


@contextmanager
def telling(listener: Callable[[str], None]) -> Iterator[None]:
    """`listener` hears each `stage` that this thread comes to within."""
    _here.listener = listener
    try:
        yield
    finally:
        _here.listener = None


def stage(words: str) -> None:
    """This thread's work comes to its next part."""
    listener: Callable[[str], None] | None = getattr(_here, "listener", None)
    if listener is not None:
        listener(words)

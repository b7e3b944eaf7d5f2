# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of arrays by what is in them."""

from __future__ import annotations

import hashlib
import threading
import weakref

import numpy as np


def content_hash(array: np.ndarray) -> str:
    """32 hex digits (BLAKE2b) of dtype, shape (...,) and bytes; other threads run meanwhile."""
    array = np.ascontiguousarray(array)
    digest = hashlib.blake2b(f"{array.dtype.str}{array.shape}".encode(), digest_size=16)
    digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


class _Hashes:
    """Content hashes of arrays that are still alive; they are never changed in place."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[int, tuple[weakref.ref[np.ndarray], str]] = {}
        self._tidy_at = _TIDY

    def of(self, array: np.ndarray) -> str:
        with self._lock:
            known = self._known.get(id(array))
        if known is not None and known[0]() is array:
            return known[1]
        name = content_hash(array)
        with self._lock:
            # entries of arrays that are gone go too, now and then: a scene has thousands
            if len(self._known) >= self._tidy_at:
                self._known = {k: v for k, v in self._known.items() if v[0]() is not None}
                self._tidy_at = max(_TIDY, 2 * len(self._known))
            self._known[id(array)] = (weakref.ref(array), name)
        return name


_TIDY = 64
_hashes = _Hashes()


def kept_hash(array: np.ndarray) -> str:
    """`content_hash` of an array (...,) that is never changed in place; found once in its life."""
    return _hashes.of(array)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds by content: shared arrays, and which ones are let go."""

from __future__ import annotations

import numpy as np
import pytest

from backend.client.snapshot import Snapshot
from backend.serving.world_store import MAX_WORLDS, WorldStore
from backend.shared.errors import BackendError
from backend.shared.messages import PutArray
from tests.client.conftest import anchors, memory


def test_the_store_shares_arrays_and_lets_the_oldest_world_go() -> None:
    store, points = WorldStore(), anchors(10)
    first = Snapshot("w", 1, points, [memory(1)])
    names = store.put(first.manifest())
    assert len(names) == 5 and store.get(first.wire_key, 1) is None
    for name in names:
        store.add(PutArray(name, first.array(name)))
    world = store.get(first.wire_key, 1)
    assert world is not None and store.get(first.wire_key, 2) is None
    assert store.get(first.wire_key, 1) is world  # the same object: prepared once
    second = Snapshot("w", 2, points, [memory(1), memory(2)])
    (name,) = store.put(second.manifest())  # only the new picture; the depths are equal
    store.add(PutArray(name, second.array(name)))
    newer = store.get(second.wire_key, 2)
    assert newer is not None and newer.memory[0] is world.memory[0]
    for number in range(MAX_WORLDS):
        store.put(Snapshot(str(number), 1, points, []).manifest())
    assert store.get(first.wire_key, 1) is None
    assert np.array_equal(world.assemble().memory[0].rgb, memory(1).rgb)  # still whole
    with pytest.raises(BackendError, match="damaged"):
        store.add(PutArray(names[0], np.zeros(3, np.float32)))

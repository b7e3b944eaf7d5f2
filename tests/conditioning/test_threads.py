# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that threads share, and that is given up in all of them."""

from __future__ import annotations

import threading
import time

import pytest

from backend.conditioning.threads import (
    Stopped,
    at_once,
    beside,
    in_pieces,
    look_whether_to_stop,
    stoppable,
)


@pytest.fixture(params=["1", "3"])
def _threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", request.param)


@pytest.mark.usefixtures("_threads")
def test_work_in_pieces_is_given_up_between_them() -> None:
    stop, done = threading.Event(), []

    def work(part: slice) -> None:
        done.append(part.start)
        stop.set()
        time.sleep(0.01)

    with stoppable(stop), pytest.raises(Stopped):
        in_pieces(work, 100, piece=1)
    assert 1 <= len(done) <= 10
    in_pieces(work, 5, piece=1)  # outside of it nothing is stopped
    assert sorted(done[-5:]) == [0, 1, 2, 3, 4]


@pytest.mark.usefixtures("_threads")
def test_what_is_done_at_once_is_given_up_too() -> None:
    stop = threading.Event()

    def work() -> None:
        stop.set()
        in_pieces(lambda part: time.sleep(0.01), 100, piece=1)

    with stoppable(stop), pytest.raises(Stopped):
        at_once(work, work)
    with beside(), stoppable(threading.Event()):
        assert at_once(lambda: 1, lambda: 2) == [1, 2]
    look_whether_to_stop()

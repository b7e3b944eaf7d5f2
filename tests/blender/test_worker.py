# SPDX-License-Identifier: GPL-3.0-or-later
"""The threads beside Blender's, which need no Blender to be tried."""

from __future__ import annotations

import gc
import sys
import threading
import time
import weakref
from collections.abc import Callable
from types import ModuleType

import pytest

from tests.extension import extension_part


@pytest.fixture
def module() -> ModuleType:
    return extension_part("worker")


def soon(condition: Callable[[], object]) -> bool:
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(condition())


def named(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == name]


def test_jobs_are_done_in_order_and_a_fault_stops_none(module, capsys):
    worker, done = module.Worker("in order"), []

    def fault() -> None:
        raise RuntimeError("this job is faulty")

    for job in (lambda: done.append(1), fault, lambda: done.append(2)):
        worker.do(job)
    assert soon(lambda: done == [1, 2])
    assert len(named("in order")) == 1
    assert "this job is faulty" in capsys.readouterr().err
    worker.stop()
    assert soon(lambda: not named("in order"))


def test_a_stopped_worker_ends_what_it_was_given_and_begins_anew(module):
    worker, done, go = module.Worker("anew"), [], threading.Event()
    worker.do(go.wait)
    worker.do(lambda: done.append("before"))
    worker.stop()
    worker.do(lambda: done.append("after"))
    assert soon(lambda: done == ["after"])
    go.set()
    assert soon(lambda: done == ["after", "before"])
    worker.stop()
    assert soon(lambda: not named("anew"))


def test_a_job_that_is_done_keeps_nothing_alive(module):
    class Large:
        pass

    worker, large = module.Worker("forgets"), Large()
    gone, done = weakref.ref(large), threading.Event()
    worker.do(lambda large=large: done.set())
    del large
    assert done.wait(20)
    assert soon(lambda: gc.collect() >= 0 and gone() is None)
    worker.stop()


def test_threads_take_turns_as_usual_afterwards(module):
    usual = sys.getswitchinterval()
    module.take_turns_sooner()
    module.take_turns_sooner()
    assert sys.getswitchinterval() < usual
    module.take_turns_as_usual()
    assert sys.getswitchinterval() == usual
    module.take_turns_as_usual()
    assert sys.getswitchinterval() == usual

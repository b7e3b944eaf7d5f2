# SPDX-License-Identifier: GPL-3.0-or-later
"""One process trains many times here, which it never does elsewhere."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def forget_how_the_last_test_trained():
    """accelerate keeps one precision for a process; the tests' trainers have several."""
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)

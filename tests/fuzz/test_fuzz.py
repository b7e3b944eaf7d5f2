# SPDX-License-Identifier: GPL-3.0-or-later
"""Some damaged files for every reader; `make fuzz` tries as many as there is time for."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .run import once
from .targets import TARGETS

FEW = {"model folder": 4, "photo": 10}


@pytest.fixture(scope="module", params=TARGETS)
def target(request, tmp_path_factory):
    """A target's name and the folder of its whole files."""
    whole = tmp_path_factory.mktemp("whole")
    TARGETS[request.param].make(whole)
    TARGETS[request.param].read(whole)
    return request.param, whole


def test_damaged_files_are_read_or_refused_with_a_sentence(target, tmp_path_factory):
    name, whole = target
    work = tmp_path_factory.mktemp("fuzz") / "work"

    @settings(
        max_examples=FEW.get(name, 30), deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.integers(0, 2**40))
    def damaged(seed: int) -> None:
        assert once(name, whole, work, seed) == "", f"{name}, seed {seed}"

    damaged()

# SPDX-License-Identifier: GPL-3.0-or-later
"""How finely moved frames are drawn, which needs no Blender to be tried."""

from __future__ import annotations

from itertools import pairwise
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.extension import extension_part


@pytest.fixture(scope="module")
def module() -> ModuleType:
    return extension_part("viewport.detail")


def drawn(detail, whole: float, fixed: float, draws: int) -> list[float]:
    """The shares of so many draws that take `fixed` s and, with all pixels, `whole` s more."""
    shares = []
    for _ in range(draws):
        shares.append(detail.share)
        detail.note(fixed + whole * detail.share**2)
    return shares


def test_quick_draws_stay_as_fine_as_can_be(module):
    assert set(drawn(module.Detail(), 0.002, 0.001, 500)) == {1.0}


def test_slow_draws_become_short_enough_at_once(module):
    shares = drawn(module.Detail(), 0.018, 0.001, 500)
    assert shares[:2] == [1.0, 1.0]
    assert shares[2:] == [0.5] * 498


def test_one_slow_draw_says_nothing(module):
    detail = module.Detail()
    for _ in range(20):
        detail.note(1.0)
        detail.note(0.001)
    assert detail.share == 1.0


def test_it_is_fine_again_once_draws_are_quick(module):
    detail = module.Detail()
    drawn(detail, 0.100, 0.001, 10)
    assert detail.share == pytest.approx(2 ** -((module.LEVELS - 1) / 2))
    assert drawn(detail, 0.0, 0.001, 1000)[-1] == 1.0


@settings(deadline=None)
@given(whole=st.floats(0, 1), fixed=st.floats(0, 0.01))
def test_a_steady_machine_gets_a_steady_picture(module, whole, fixed):
    shares = drawn(module.Detail(), whole, fixed, 2000)
    changes = sum(one != other for one, other in pairwise(shares))
    assert changes <= 3
    coarsest = shares[-1] == pytest.approx(2 ** -((module.LEVELS - 1) / 2))
    assert coarsest or fixed + whole * shares[-1] ** 2 <= module.BUDGET_SECONDS

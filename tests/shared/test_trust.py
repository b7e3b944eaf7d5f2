# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured of depth is one of three words, and comes back out of a world's provenance."""

from __future__ import annotations

import pytest

from backend.shared.trust import GOOD, NEARBY, Level, Trust, recorded


@pytest.mark.parametrize(
    ("agreement", "left_out", "level"),
    [
        (GOOD[0], (GOOD[1],), Level.GOOD),
        (GOOD[0], (), Level.GOOD),
        (GOOD[0], (GOOD[1] - 1,), Level.NEARBY),
        (GOOD[0] - 0.01, (40.0,), Level.NEARBY),
        (NEARBY[0], (NEARBY[1] - 2, NEARBY[1] + 2), Level.NEARBY),
        (NEARBY[0] - 0.01, (40.0,), Level.POOR),
        (1.0, (NEARBY[1] - 1,), Level.POOR),
    ],
)
def test_both_measures_must_reach_a_word(agreement, left_out, level):
    assert Trust(agreement, left_out).level is level


def test_words_say_what_was_measured_and_what_to_do():
    trust = Trust(0.764, (20.0, 24.2, 21.0))
    measured, meant = trust.sentences()
    assert measured == (
        "Depth agrees in 76 % of what the pictures saw; views left out came back at 22 dB."
    )
    assert meant.startswith("Good: ")
    measured, meant = Trust(0.2).sentences(str.upper)
    assert measured == "DEPTH AGREES IN 20 % OF WHAT THE PICTURES SAW." and meant[:4] == "POOR"


def test_it_comes_back_out_of_a_record():
    for trust in (Trust(0.25), Trust(0.5, (20.5, 18.0))):
        assert recorded({"source": "colmap"} | trust.record()) == trust


@pytest.mark.parametrize(
    "record",
    [{}, {"depth_agreement": "much"}, {"depth_agreement": "nan"}, {"depth_agreement": "3"},
     {"depth_agreement": "0.5", "left_out_db": "20 inf"},
     {"depth_agreement": "0.5", "left_out_db": "a"}],
)  # fmt: skip
def test_records_that_make_no_sense_say_nothing(record):
    assert recorded(record) is None

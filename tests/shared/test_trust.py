# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured of depth is one of three words, and comes back out of a world's provenance."""

from __future__ import annotations

import pytest

from backend.shared.trust import (
    FEW_LINES,
    GOOD,
    GUESS_GOOD,
    GUESS_NEARBY,
    NEARBY,
    Guess,
    Level,
    Trust,
    recorded,
)


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
        "Depth agrees in 76 % of what the pictures saw (good from 60 on); views left out came back "
        "at 22 dB (good from 20 on)."
    )
    assert meant.startswith("Good near ")
    measured, meant = Trust(0.2).sentences(str.upper)
    assert measured == "DEPTH AGREES IN 20 % OF WHAT THE PICTURES SAW." and meant[:4] == "POOR"


def test_it_comes_back_out_of_a_record():
    for trust in (Trust(0.25), Trust(0.5, (20.5, 18.0)), Guess(0.2, 0.35), Guess(0.2, 12, 0.5)):
        assert recorded({"source": "colmap"} | trust.record()) == trust


@pytest.mark.parametrize(
    "record",
    [{}, {"depth_agreement": "much"}, {"depth_agreement": "nan"}, {"depth_agreement": "3"},
     {"depth_agreement": "0.5", "left_out_db": "20 inf"},
     {"depth_agreement": "0.5", "left_out_db": "a"}, {"depth_error": "0.2"},
     {"depth_error": "nan", "depth_reach": "1"}, {"depth_error": "0", "depth_reach": "1"},
     {"depth_error": "0.2", "depth_reach": "inf"}, {"depth_error": "0.2", "depth_reach": "far"},
     {"depth_error": "0.2", "depth_reach": "1", "camera_match": "7"}],
)  # fmt: skip
def test_records_that_make_no_sense_say_nothing(record):
    assert recorded(record) is None


@pytest.mark.parametrize(
    ("error", "match", "level"),
    [
        (GUESS_GOOD, None, Level.GOOD),
        (GUESS_GOOD, 0.9, Level.GOOD),
        (GUESS_GOOD, 0.0, Level.NEARBY),  # its camera was assumed
        (GUESS_GOOD + 0.01, 0.9, Level.NEARBY),
        (GUESS_NEARBY + 0.01, None, Level.POOR),
    ],
)
def test_what_was_guessed_of_one_picture_is_one_of_the_same_words(error, match, level):
    guess = Guess(error, 0.5, match)
    assert guess.level is level and guess.sentences()[-1].lower().startswith(level.value)


def test_a_guess_says_how_far_off_and_how_far_aside_and_what_speaks_for_the_camera():
    first, camera, _ = Guess(0.25, 0.351, FEW_LINES).sentences()
    assert "by about 28 %" in first and "about 0.35 m aside" in first
    assert camera == "The picture's lines agree on its camera."
    assert Guess(0.25, 0.3, FEW_LINES / 2).sentences()[1].startswith("Few of the picture's lines")
    assert "assumed" in Guess(0.25, 0.3, 0.0).sentences()[1]
    assert len(Guess(0.25, 23.4).sentences()) == 2 and "23 m" in Guess(0.25, 23.4).sentences()[0]

# SPDX-License-Identifier: GPL-3.0-or-later
"""Every text of the interface is there in all five languages, and nothing else is."""

from __future__ import annotations

import json
import string
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from ui_strings import ROOT, ui_strings

LANGUAGES = sorted(path.stem for path in (ROOT / "locale").glob("*.json"))
SCRIPTS = {"ja": "぀ヿ一鿿", "zh_HANS": "一鿿"}
"""First and last characters, in pairs, of the scripts that a sentence must have some of."""


def texts(language: str) -> dict[str, str]:
    return json.loads((ROOT / "locale" / f"{language}.json").read_text(encoding="utf-8"))


def test_there_are_five_languages() -> None:
    assert LANGUAGES == ["de", "es", "fr", "ja", "zh_HANS"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated(language: str) -> None:
    shown, have = ui_strings(), texts(language)
    assert {text: shown[text] for text in shown if not have.get(text)} == {}
    assert sorted(set(have) - set(shown)) == []  # what is no longer shown


@pytest.mark.parametrize("language", LANGUAGES)
def test_places_for_values_stay(language: str) -> None:
    def fields(text: str) -> int:
        return sum(1 for part in string.Formatter().parse(text) if part[1] is not None)

    for english, translated in texts(language).items():
        if "{" in english:
            assert fields(english) == fields(translated), english
        assert not english.endswith(".") or translated.endswith((".", "。")), english


@pytest.mark.parametrize("language", sorted(SCRIPTS))
def test_sentences_are_in_their_script(language: str) -> None:
    pairs = SCRIPTS[language]
    spans = [(pairs[i], pairs[i + 1]) for i in range(0, len(pairs), 2)]
    for english, translated in texts(language).items():
        if english.count(" ") > 3:
            assert any(low <= c <= high for c in translated for low, high in spans), english

# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface in other languages; locale/LANGUAGE.json holds each English text's translation."""

from __future__ import annotations

import json
from pathlib import Path

import bpy

FOLDER = Path(__file__).resolve().parent / "locale"
LANGUAGES = {
    "de": ("de_DE", "de"),
    "fr": ("fr_FR", "fr"),
    "es": ("es", "es_ES"),
    "ja": ("ja_JP", "ja"),
    "zh_HANS": ("zh_HANS", "zh_CN"),
}
"""Our files, and what Blenders call the language."""

CONTEXT = "WorldFM"
"""Of words that Blender itself translates in another sense, such as Memory: it would go first."""
_CONTEXTS = ("*", "Operator", CONTEXT)


def read(language: str) -> dict[str, str]:
    """English text to its translation."""
    return json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))


def attach() -> None:
    """Tell Blender all languages; it shows the one of its preferences."""
    known: dict[str, dict[tuple[str, str], str]] = {}
    for language, names in LANGUAGES.items():
        texts = read(language)
        table = {(context, text): texts[text] for context in _CONTEXTS for text in texts}
        known |= dict.fromkeys(names, table)
    bpy.app.translations.register(__package__, known)


def detach() -> None:
    """And no longer."""
    bpy.app.translations.unregister(__package__)

# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation quotes stands in the product, and its pictures and links are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ROOMS = ("backend", "operators", "panels", "scene_sync", "viewport", "tests/gui")
LEAST_WORDS = 15  # a source string with fewer literal letters would match anything


def texts() -> list[re.Pattern[str]]:
    """Every string of the source as a pattern, its f-string fields matching anything."""
    files = list(ROOT.glob("*.py"))
    for room in ROOMS:
        files += (ROOT / room).rglob("*.py")
    patterns = []
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [p.value if isinstance(p, ast.Constant) else None for p in node.values]
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                parts = [node.value]
            else:
                continue
            if sum(len(part or "") for part in parts) >= LEAST_WORDS:
                pattern = ".*".join(re.escape(part) if part else "" for part in parts)
                patterns.append(re.sub(r"\\{\w+\\}", ".*", pattern))  # fields of str.format
    return [re.compile(pattern) for pattern in patterns]


def quoted_messages() -> list[str]:
    """The first column of the troubleshooting tables, but for what make says."""
    page = (ROOT / "docs" / "troubleshooting.md").read_text().partition("## Building")[0]
    rows = re.findall(r"^\| (.+?) \|", page, re.MULTILINE)
    return [row for row in rows if row != "message" and not row.startswith("---")]


SOURCE = texts()


@pytest.mark.parametrize("message", quoted_messages())
def test_a_quoted_message_is_one_the_product_shows(message):
    shown = message.replace("{", "").replace("}", "")
    assert any(pattern.fullmatch(shown) for pattern in SOURCE), message


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} names {target}"


def test_the_way_of_one_request_has_fifteen_stations_and_enters_none_twice():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    way = page.partition("## The way of one request")[2].partition("\n## ")[0]
    stations = re.findall(r"^\| \d+ \| `([\w/.]+)`", way, re.MULTILINE)
    assert 10 <= len(stations) <= 15 and len(set(stations)) == len(stations)
    for station in stations:
        places = [ROOT / station, ROOT / "backend" / station]
        assert any(place.is_file() for place in places), station


def test_what_must_never_happen_is_guarded_by_tests_that_are_there():
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = page.partition("## What must never happen")[2]
    named = re.findall(r"`(tests/[\w/.*]+)`", table)
    assert len(named) > 12
    for pattern in named:
        assert list(ROOT.glob(pattern)), pattern

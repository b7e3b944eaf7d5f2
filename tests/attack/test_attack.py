# SPDX-License-Identifier: GPL-3.0-or-later
"""A few faults of the quick kinds; `make attack` injects about a thousand of all kinds."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.client.conftest import ROOT

from .report import LATE, Report


@pytest.mark.skipif(sys.platform != "linux", reason="forks, and reads /proc")
def test_a_few_faults_hurt_nothing(tmp_path):
    words = ["--moments", "2", "--only", "disk", "--only", "strangers", "--only", "files"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.attack.run", *words, "--report", tmp_path / "attack.json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    found = json.loads((tmp_path / "attack.json").read_text())
    assert done.returncode == 0 and found["wrong"] == [], found["wrong"] or done.stderr
    assert found["faults"] >= 18


def test_what_is_wrong_is_counted_by_its_kind():
    report = Report(1)
    report.add("kill: save", ["file lost: notes.txt", "orphan: uv"])
    report.add("kill: save", [])
    report.add("wire", ["something new"])
    found = report.tree()
    assert (found["faults"], found["files lost"], found["orphans"], found["other"]) == (3, 1, 1, 1)
    assert found["by kind"] == {"kill: save": 2, "wire": 1}
    more = Report.goes_on(found)
    more.add("wire", ["hang"])
    more.add(f"{LATE}: save", [])
    told = more.tree()
    assert (told["faults"], told["kills that came after the end"], told["hangs"]) == (4, 1, 1)

# SPDX-License-Identifier: GPL-3.0-or-later
"""A long animation and a long session in the viewport leave both processes as they were."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from .flat import MOST_GROWTH

FRAMES = int(os.environ.get("WORLDFM_SOAK_FRAMES", "2000"))
MINUTES = float(os.environ.get("WORLDFM_SOAK_MINUTES", "10"))


def told(name: str, found: dict) -> None:
    """What was measured, on the terminal and in outputs/soak.json."""
    file = Path("outputs") / "soak.json"
    file.parent.mkdir(exist_ok=True)
    before = json.loads(file.read_text()) if file.is_file() else {}
    figures = {key: found[key] for key in ("count", "blender", "backend", "last")}
    file.write_text(json.dumps({**before, name: figures}, indent=1))
    print(f"\n{name}: {json.dumps(figures)}", file=sys.__stderr__)


def stays_as_it_is(growth: dict[str, float]) -> bool:
    """No process took more of anything."""
    return growth["resident"] < MOST_GROWTH and growth["files"] <= 0 and growth["threads"] <= 0


def test_a_long_animation(blender, tmp_path):
    found = blender("soak.py", tmp_path, FRAMES, timeout=3 * 3600)
    told("animation", found)
    assert found["count"] == FRAMES
    assert found["restarts"] == 0
    assert stays_as_it_is(found["blender"]) and stays_as_it_is(found["backend"])
    assert "Traceback" not in found["output"]


def test_a_long_session_in_the_viewport(stage, demo_file):
    found = stage.play("soak", demo_file, seconds=60 * MINUTES + 1800, minutes=MINUTES)
    told("viewport", found)
    assert found["count"] > 10 * MINUTES
    assert found["processes"] == 1
    assert stays_as_it_is(found["blender"]) and stays_as_it_is(found["backend"])
    assert "Traceback" not in found["log"]

# SPDX-License-Identifier: GPL-3.0-or-later
"""The built zip, installed as a user does it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLATFORM = {"linux": "linux_x64", "darwin": "macos_arm64", "win32": "windows_x64"}[sys.platform]


@pytest.fixture
def package(monkeypatch) -> Path:
    """The zip for this system; `make extension` builds it."""
    found = sorted((ROOT / "dist").glob(f"worldfm-*-{PLATFORM}.zip"))
    if not found:
        pytest.skip("no zip in dist/: run `make extension`")
    monkeypatch.setenv("WORLDFM_TEST_ZIP", str(found[-1]))
    return found[-1]


def test_the_zip_installs_renders_and_leaves_nothing(blender, package, tmp_path):
    found = blender("install.py", tmp_path)
    assert found["where"].startswith(str(tmp_path / "user"))
    assert not found["torch"] and not found["started"]
    assert found["network"] == "Talk to its own background process and download models"
    assert found["rendered"] == ["0001.png"]
    assert found["spread"] > 0.02
    assert found["again"] == found["operators"] > 20
    assert all(names == [] for names in found["left"].values()), found["left"]

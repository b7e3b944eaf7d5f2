# SPDX-License-Identifier: GPL-3.0-or-later
"""The built zip, installed as a user does it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLATFORM = {"linux": "linux_x64", "darwin": "macos_arm64", "win32": "windows_x64"}[sys.platform]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def found(shared_blender, files):
    """With the zip for this system; `make extension` builds it."""
    zips = sorted((ROOT / "dist").glob(f"worldfm-*-{PLATFORM}.zip"))
    if not zips:
        pytest.skip("no zip in dist/: run `make extension`")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("WORLDFM_TEST_ZIP", str(zips[-1]))
        return shared_blender("install.py", files)


def test_the_zip_installs_and_starts_nothing(found, tmp_path_factory):
    settings = tmp_path_factory.getbasetemp() / "user"  # and a number
    assert found["where"].startswith(str(settings))
    assert not found["torch"] and not found["started"]
    assert found["network"] == "Talk to its own background process and download models"


def test_the_installed_zip_renders(found):
    assert found["rendered"] == ["0001.png"]
    assert found["spread"] > 0.02


def test_the_installed_zip_is_reloaded_and_leaves_nothing(found):
    assert found["again"] == found["operators"] > 20
    assert all(names == [] for names in found["left"].values()), found["left"]

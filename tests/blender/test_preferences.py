# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's installation and report, and the history of renders, as the add-on shows them."""

from __future__ import annotations

import re

import pytest

from tests.client.shelf import locked, make_wheel


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def found(shared_blender, folder):
    return shared_blender("preferences.py", folder)


def test_without_an_installation_nothing_is_fetched(found):
    assert found["state"] == "absent"
    assert found["own folder"]
    assert found["offline"] is False
    for name in ("offline estimate", "download"):
        assert "Downloads need Online Access" in found[name], name


def test_without_an_installation_nothing_is_broken(found):
    assert "not installed" in found["verify"]
    assert found["interrupted"] == "interrupted"
    assert found["remove"] == "The backend was removed; models were kept."
    assert found["kept"]


def test_the_backend_moves_to_a_folder_that_is_chosen(found, folder):
    assert "not empty" in found["move to full"]
    assert (folder / "full" / "letter.txt").read_text() == "keep me"
    assert str(folder / "new") in found["move"]
    assert found["moved"] == "a model"
    assert found["now"] == str(folder / "new")


def test_what_is_not_installed_does_not_start(found, folder):
    assert found["python"]
    assert found["models"] == str(folder / "new" / "models")
    assert "not installed" in found["start"]
    assert found["log"] == "The backend is not running."


def test_a_python_that_is_not_there_is_another_thing_than_none(found):
    astray, absent = found["astray"]
    assert "named for it does not exist" in astray and "not installed" in absent


def test_after_a_failure_what_the_user_corrects_is_tried_at_once(found):
    assert found["mended"] == [["embedded", 0], ["embedded", 2]]


def test_a_failed_installation_is_in_the_log_and_the_report(found):
    failed = "needs packages that are not on this computer" in found["offline "]
    assert failed or "has no installer for this system" in found["offline "]  # without its wheels
    for text in (found["install log"], found["report"]):
        assert ("The last installation that failed:" in text) == failed
    assert "Blender" in found["report"] and "stopped" in found["report"]


def test_past_renders_are_listed_and_recalled(found):
    assert found["history"] == [
        ["Frame 3, seed 6", "0000000000ff", "small abc"],
        [5, 2, 3, 2],
    ]


@pytest.fixture(scope="module")
def installed(shared_blender, tmp_path_factory):
    """Install, verify, repair, install again and remove, from packages on this computer, with
    Online Access off."""
    folder = tmp_path_factory.mktemp("files")
    for name in ("alpha", "beta"):
        make_wheel(folder / "shelf", name)
    wanted = "".join(locked(folder / "shelf", f"{name}==1.0") for name in ("alpha", "beta"))
    (folder / "requirements.txt").write_text(wanted)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("UV_FIND_LINKS", str(folder / "shelf"))
        environment.setenv("UV_NO_INDEX", "1")
        found = shared_blender("installs.py", folder)
    if not found["uv"]:
        pytest.skip("the wheels of uv are not here: run `make extension`")
    return found


def test_builds_of_pytorch_are_offered_that_uv_knows(installed):
    backends = set(re.findall(r"[a-z]+[\d.]*", installed["known to uv"]))
    assert {"auto", "cpu"} < set(installed["torch"]) <= backends
    for make in ("NVIDIA", "AMD", "Intel"):
        assert any(make in name for name in installed["torch"].values()), make


def test_the_backend_is_installed_with_online_access_off(installed):
    found = installed
    assert found["online"] is False
    assert found["before"][0].startswith("Online Access is off")
    assert found["install"] == ["The backend is installed.", "ready"] and found["own python"]


def test_a_damaged_installation_is_found_and_repaired(installed):
    found = installed
    assert found["verify"] == "Every installed file is as it should be."
    assert found["damaged"] == "The file beta/__init__.py of beta is missing. Press Repair."
    assert found["repair"] == "The backend was installed anew."
    assert found["verify again"] == found["verify"]


def test_the_backend_is_installed_again_and_removed(installed):
    found = installed
    assert found["install again"] == ["The backend is installed.", found["verify"]]
    assert found["remove"] == ["The backend was removed; models were kept.", "absent"]
    assert found["left"] == ["install.lock", "models"]

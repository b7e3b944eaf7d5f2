# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's process stays what it was: nothing of the backend's libraries comes into it."""

from __future__ import annotations

BACKENDS_OWN = {"torch", "numba", "scipy", "embreex", "diffusers", "cv2", "PIL", "av", "trimesh"}


def test_all_that_runs_inside_blender_loads_nothing_of_the_backends(blender):
    found = blender("imports.py")
    assert found["imported"] > 120
    assert not BACKENDS_OWN & set(found["top level"])
    rooms = {name.split(".backend.")[1].split(".")[0] for name in found["backend"]}
    assert rooms == {"shared", "client"}

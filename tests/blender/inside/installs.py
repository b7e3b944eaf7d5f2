# SPDX-License-Identifier: GPL-3.0-or-later
"""The installer's buttons without a network: `installs.py FOLDER` with packages in FOLDER/shelf.

UV_FIND_LINKS and UV_NO_INDEX lead uv to the shelf; requirements.txt beside it names what is on it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import bpy
import extension
from extension import said

FOLDER = Path(sys.argv[1])


def main() -> dict[str, Any]:
    installation, runtime = extension.part("installation"), extension.part("runtime")
    installation.REQUIREMENTS = FOLDER / "requirements.txt"
    ops, data = bpy.ops.worldfm, runtime.data_folder()
    uv = installation.uv_program()
    if uv is None:
        return {"uv": False}
    found: dict[str, Any] = {"uv": os.access(uv, os.X_OK), "online": bpy.app.online_access}
    found["torch"] = {
        item.identifier: item.name
        for item in runtime.preferences().bl_rna.properties["torch"].enum_items
    }
    found["known to uv"] = subprocess.run(
        [uv, "pip", "install", "--help"], capture_output=True, text=True, check=True
    ).stdout.partition("--torch-backend")[2][:2000]
    found["before"] = installation.before_installing()
    found["install"] = [said(ops.install), installation.state().value]
    python = runtime.installed_python()
    found["own python"] = python is not None and python.is_relative_to(data)
    found["verify"] = said(ops.install_verify)
    beta = subprocess.check_output(
        [python, "-I", "-c", "import beta; print(beta.__file__)"], text=True
    )
    Path(beta.strip()).unlink()
    found["damaged"] = said(ops.install_verify)
    found["repair"] = said(ops.install_repair)
    found["verify again"] = said(ops.install_verify)
    found["install again"] = [said(ops.install), said(ops.install_verify)]
    (data / "models").mkdir()
    (data / "models" / "mine").write_text("x")
    found["remove"] = [said(ops.install_remove), installation.state().value]
    found["left"] = sorted(p.name for p in data.iterdir())
    return found


extension.run(main)

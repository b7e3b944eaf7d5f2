# SPDX-License-Identifier: GPL-3.0-or-later
"""Installs, checks, repairs, removes and moves the backend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
from bpy.props import StringProperty

from .. import installation, runtime
from ..backend.client import Installation
from ..backend.shared.errors import BackendError
from .file_choice import ChoosesFile
from .mixin import OperatorMixin
from .reports import reports_errors

_OFFLINE = (
    "Downloads need Online Access; allow it in Preferences > System, then press the button again."
)


class _Task(OperatorMixin):
    """Operators that begin a task and return; the preferences show how it goes."""

    bl_options = {"INTERNAL"}
    needs_network = False

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """One task at a time."""
        cls.poll_message_set("The installer is busy")
        return installation.task() is None

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Begin; what stands in the way is reported."""
        if self.needs_network and not bpy.app.online_access:
            raise BackendError(_OFFLINE)
        work, finish = self.task()
        installation.begin(work, finish)
        if bpy.app.background:
            self.report({"INFO"}, installation.outcome)
        return {"FINISHED"}

    def task(self) -> tuple[Callable[[Installation], Any], Callable[[Any], str]]:
        """The work, and what its result is called."""
        raise NotImplementedError


class WORLDFM_OT_install_estimate(_Task, bpy.types.Operator):
    """Ask how much an installation would download; fetches nothing but that answer"""

    bl_idname = "worldfm.install_estimate"
    bl_label = "Estimate Size"
    needs_network = True

    def task(self) -> tuple[Callable[[Installation], Any], Callable[[Any], str]]:
        """The index is asked, nothing is fetched."""
        choice = installation.choice()
        return (lambda i: i.estimate(choice)), installation.note_estimate


class WORLDFM_OT_install(_Task, bpy.types.Operator):
    """Make the backend's own environment, or finish one that was interrupted"""

    bl_idname = "worldfm.install"
    bl_label = "Install"

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Nothing is fetched before the user agreed."""
        return context.window_manager.invoke_props_dialog(self, width=420, confirm_text="Install")

    def draw(self, context: bpy.types.Context) -> None:
        """How much, and where to."""
        column = self.layout.column(align=True)
        for text in installation.before_installing():
            column.label(text=text)

    def task(self) -> tuple[Callable[[Installation], Any], Callable[[Any], str]]:
        """What was fetched before is used again."""
        choice = installation.choice()
        known = installation.estimate
        size = known.download_bytes if known else 0
        return (lambda i: i.install(choice, size)), (lambda _: "The backend is installed.")


class WORLDFM_OT_install_verify(_Task, bpy.types.Operator):
    """Check every installed file"""

    bl_idname = "worldfm.install_verify"
    bl_label = "Verify"

    def task(self) -> tuple[Callable[[Installation], Any], Callable[[Any], str]]:
        """Nothing is changed."""
        return (lambda i: i.verify(installation.REQUIREMENTS)), _verdict


def _verdict(problems: list[str]) -> str:
    if not problems:
        return "Every installed file is as it should be."
    more = f" ({len(problems)} problems in all)" if len(problems) > 1 else ""
    return f"{problems[0]}{more} Press Repair."


class WORLDFM_OT_install_repair(_Task, bpy.types.Operator):
    """Make the environment anew; the one in use stays until the new one is whole"""

    bl_idname = "worldfm.install_repair"
    bl_label = "Repair"

    def task(self) -> tuple[Callable[[Installation], Any], Callable[[Any], str]]:
        """A running backend would hold its files."""
        choice = installation.choice()
        runtime.client().stop()
        return (lambda i: i.repair(choice)), (lambda _: "The backend was installed anew.")


class WORLDFM_OT_install_remove(_Task, bpy.types.Operator):
    """Delete the backend's environment; models and logs stay"""

    bl_idname = "worldfm.install_remove"
    bl_label = "Remove"

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """It is asked for once more."""
        return context.window_manager.invoke_confirm(self, event)

    def task(self) -> tuple[Callable[[Installation], Any], Callable[[Any], str]]:
        """A running backend would hold its files."""
        runtime.client().stop()
        return (lambda i: i.remove()), (lambda _: "The backend was removed; models were kept.")


class WORLDFM_OT_install_move(ChoosesFile, _Task, bpy.types.Operator):
    """Move the backend, its models and logs to another folder"""

    bl_idname = "worldfm.install_move"
    bl_label = "Move Data Folder"

    directory: StringProperty(name="Folder", subtype="DIR_PATH")
    filter_folder: bpy.props.BoolProperty(default=True, options={"HIDDEN"})

    def task(self) -> tuple[Callable[[Installation], Any], Callable[[Any], str]]:
        """The preferences name the new folder once everything is there."""
        if not self.directory:
            raise BackendError("No folder was named; choose an empty one.")
        target = Path(bpy.path.abspath(self.directory))
        runtime.client().stop()

        def moved(_: Any) -> str:
            runtime.preferences().data_folder = str(target)
            return f"Everything is in {target} now."

        return (lambda i: i.move_to(target)), moved


class WORLDFM_OT_install_cancel(bpy.types.Operator):
    """Stop the installer; what was fetched is kept for the next attempt"""

    bl_idname = "worldfm.install_cancel"
    bl_label = "Cancel"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only while it works."""
        return installation.task() is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        """It ends by itself soon after."""
        installation.cancel()
        return {"FINISHED"}


CLASSES = (
    WORLDFM_OT_install_estimate,
    WORLDFM_OT_install,
    WORLDFM_OT_install_verify,
    WORLDFM_OT_install_repair,
    WORLDFM_OT_install_remove,
    WORLDFM_OT_install_move,
    WORLDFM_OT_install_cancel,
)

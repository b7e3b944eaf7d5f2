# SPDX-License-Identifier: GPL-3.0-or-later
"""Long work in small steps: at once for scripts, a step a tick for people, who can press Esc."""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

import bpy

from ..backend.shared.errors import WorldFMError
from .mixin import OperatorMixin
from .reports import reports_errors


class Step(NamedTuple):
    """What was just done. fraction: of the whole work, 0 to 1; None = unknown."""

    text: str
    fraction: float | None = None


class StepOperator(OperatorMixin):
    """An operator whose work is an iterator; mixed in before bpy.types.Operator.

    stopped: what Esc is answered with. keeps: whether what was done until then stays.
    seconds: from step to step.
    """

    stopped = "Stopped; nothing was added."
    keeps = False
    seconds = 0.01

    _work: Generator[Step] | None = None
    _timer: bpy.types.Timer | None = None

    def steps(self, context: bpy.types.Context) -> Generator[Step]:
        """The work; closed early when it is stopped. Raises WorldFMError."""
        raise NotImplementedError

    @property
    def shares(self) -> bool:
        """Whether the user may go on working meanwhile."""
        return False

    @property
    def watched(self) -> bool:
        """Whether the steps are taken one at a time, so that none of them should wait."""
        return self._timer is not None

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """To the end at once; used by scripts and by redo."""
        for _ in self.steps(context):
            pass
        return {"FINISHED"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """A step at a time, so that Esc is heard."""
        return self.watch(context)

    def watch(self, context: bpy.types.Context) -> set[str]:
        """Begin to take one step at every tick of a timer."""
        manager = context.window_manager
        self._timer = manager.event_timer_add(self.seconds, window=context.window)
        self._work = self.steps(context)
        manager.progress_begin(0, 100)
        manager.modal_handler_add(self)
        context.workspace.status_text_set(f"{self.bl_label} (Esc stops)")
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """The next step at every tick of the timer."""
        if event.type == "ESC" and event.value == "PRESS":
            self._end(context)
            self.report({"INFO"}, self.stopped)
            return {"FINISHED" if self.keeps else "CANCELLED"}
        going_on = {"PASS_THROUGH" if self.shares else "RUNNING_MODAL"}
        if event.type != "TIMER":
            return going_on
        try:
            step = next(self._work, None) if self._work is not None else None
        except WorldFMError as error:
            self._end(context)
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        except BaseException:
            self._end(context)
            raise
        if step is None:
            self._end(context)
            return {"FINISHED"}
        _show(context, step)
        return going_on

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender ends the operator, as on quitting or loading a file."""
        self._end(context)

    def _end(self, context: bpy.types.Context) -> None:
        if self._timer is None:
            return
        context.window_manager.event_timer_remove(self._timer)
        context.window_manager.progress_end()
        context.workspace.status_text_set(None)
        self._timer = None
        if self._work is not None:
            self._work.close()


def _show(context: bpy.types.Context, step: Step) -> None:
    text = step.text
    if step.fraction is not None:
        percent = int(100 * step.fraction)
        context.window_manager.progress_update(percent)
        text = f"{text}: {percent} %"
    context.workspace.status_text_set(f"{text} (Esc stops)")

# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator does with an error that has a sentence for the user."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable

import bpy

from ..backend.shared.errors import WorldFMError


def warn_once(operator: bpy.types.Operator, sentences: Iterable[str], said: set[str]) -> None:
    """Report warnings that are not in `said`, and put them there."""
    for sentence in sentences:
        if sentence not in said:
            said.add(sentence)
            operator.report({"WARNING"}, sentence)


Execute = Callable[[bpy.types.Operator, bpy.types.Context], set[str]]


def reports_errors(execute: Execute) -> Execute:
    """An operator's `execute` whose WorldFMError is reported; the operator is cancelled then."""

    @functools.wraps(execute)
    def reporting(self: bpy.types.Operator, context: bpy.types.Context) -> set[str]:
        try:
            return execute(self, context)
        except WorldFMError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}

    return reporting

# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that an installation runs: uv, pip, interpreters."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..shared.child_process import run_child
from . import uv as uv_words


def _nothing(_line: str = "") -> None:
    """For those who don't listen."""


@dataclass(frozen=True)
class Programs:
    """Run in `folder`, until `cancel` is set. online: False = from what is on this computer."""

    folder: Path
    cancel: threading.Event
    online: bool = True

    def run(
        self,
        command: list[Any],
        doing: str,
        on_line: Callable[[str], None] = _nothing,
        on_wait: Callable[[], None] = _nothing,
    ) -> None:
        """Raises BackendError when it fails; what it said is in logs/install.log then.

        doing: what sentences call it.
        """
        lines: list[str] = []

        def both(line: str) -> None:
            lines.append(line)
            on_line(line)

        if self.status(command, both, on_wait) != 0:
            self._keep_log(lines)
            raise uv_words.explain(lines, doing, self.online)

    def status(
        self,
        command: list[Any],
        on_line: Callable[[str], None] = _nothing,
        on_wait: Callable[[], None] = _nothing,
    ) -> int:
        """Its exit status."""
        env = uv_words.environment(self.folder)
        uv_words.check_sources(env)
        if not self.online:
            env |= {"UV_OFFLINE": "1", "PIP_NO_INDEX": "1"}
        return run_child(
            command,
            env=env,
            cwd=self.folder,
            on_line=on_line,
            cancel=self.cancel,
            on_wait=on_wait,
        )

    def _keep_log(self, lines: list[str]) -> None:
        logs = self.folder / "logs"
        logs.mkdir(exist_ok=True)
        (logs / "install.log").write_text("\n".join(lines) + "\n", encoding="utf-8")

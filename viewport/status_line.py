# SPDX-License-Identifier: GPL-3.0-or-later
"""What the line of text in a viewport's corner says. No bpy."""

from __future__ import annotations

from collections.abc import Callable

from ..backend.client import BackendState
from .pace import RATE_SECONDS
from .state import Backend, ViewState


def status_line(
    view: ViewState,
    backend: Backend,
    status: str,
    error: str,
    statistics: bool,
    iface_: Callable[[str], str] = str,
) -> str:
    """What is still missing; if nothing is, and with `statistics`, what the frame cost.

    status: the client's sentence of its state, which says why there is no backend where one failed.
    error: why the last preview failed, or "". iface_: translates.
    """
    failed = backend.state is BackendState.FAILED
    problem = view.build_problem or view.problem or (status if failed else error)
    if problem:
        return problem
    said = _said(view, backend, status, iface_)
    if said:
        return f"WorldFM | {said}"
    frame = view.frame
    if frame is None or not statistics:
        return ""
    reply, camera = frame.reply, frame.reply.request.camera
    rate = len(view.pace.arrivals) / RATE_SECONDS
    stages = ", ".join(f"{name} {ms:.0f} ms" for name, ms in reply.timings.items() if ms >= 0.5)
    return (
        f"WorldFM | {camera.width} x {camera.height} | {rate:.1f} frames/s | "
        f"latency {1000 * view.pace.latency:.0f} ms | coverage {100 * frame.coverage:.0f} % | "
        f"{stages}"
    )


def not_installed(named: str, iface_: Callable[[str], str] = str) -> str:
    """The line where no backend could be started. named: the Python that does not exist, "" = none
    was named, nor installed."""
    astray = iface_(
        "The backend cannot start: there is no Python at {}; correct that in its preferences"
    )
    if named:
        return f"WorldFM | {astray.format(named)}"
    said = iface_(
        "The backend is not installed: Install Backend in this viewport's header opens its "
        "preferences"
    )
    return f"WorldFM | {said}"


def _said(view: ViewState, backend: Backend, status: str, iface_: Callable[[str], str]) -> str:
    if view.world is None:
        return iface_("Reading the scene")
    if backend.state is not BackendState.READY:
        return iface_(status)
    if view.frame is None or view.frame_is_elsewhere:
        return iface_("Waiting for the first frame")
    if not view.world.memory:
        return iface_(
            "No memory yet: this is what light alone gives; Capture Memory in the header adds "
            "pictures by Cycles"
        )
    return ""

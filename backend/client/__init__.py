# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host application imports. No bpy, no torch; nothing here blocks its caller."""

from .client import BackendClient
from .estimate import Estimate
from .install_task import InstallTask
from .installer import Installation, InstallChoice, InstallState
from .settings import BackendState, LaunchSettings, RemoteBackend
from .ticket import Ticket

__all__ = [
    "BackendClient",
    "BackendState",
    "Estimate",
    "InstallChoice",
    "InstallState",
    "InstallTask",
    "Installation",
    "LaunchSettings",
    "RemoteBackend",
    "Ticket",
]

# SPDX-License-Identifier: GPL-3.0-or-later
"""What crosses the wire, as dataclasses, and their JSON form.

A message is a JSON header, in which an array is only named, and the arrays' raw bytes.
Fields that have their default value are left out of the header.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DeviceInfo:
    """A device the model can run on.

    id: what LaunchSettings.device takes. kind: cuda, rocm, mps or cpu.
    memory_total, memory_free: bytes. modes: dtypes it computes in, best first.
    """

    id: str
    name: str
    kind: str
    memory_total: int
    memory_free: int
    modes: tuple[str, ...]

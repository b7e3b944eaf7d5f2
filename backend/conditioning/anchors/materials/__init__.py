# SPDX-License-Identifier: GPL-3.0-or-later
"""Materials, evaluated at many points at once from the programs that their nodes are."""

from .compiled import UNASSIGNED, CompiledMaterial
from .pyramid import Pyramids

__all__ = ["UNASSIGNED", "CompiledMaterial", "Pyramids"]

# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known stays, later proposals for the rest count for more, colours are mixed."""

from __future__ import annotations

import torch

from backend.conditioning.memory.images import MemoryImages
from backend.conditioning.memory.seen import Seen
from backend.conditioning.unseen.composer import complete
from backend.conditioning.unseen.proposals import ColorProposal, DepthProposal, SoFar
from backend.conditioning.view import View
from tests.scenes.world_room import room_camera


def test_proposals_are_composed_by_confidence_and_nothing_known_is_touched() -> None:
    view = View(room_camera(size=(4, 1)))
    known = torch.tensor([[[1.0, 0.0, 0.0, 0.0]]])
    sure = torch.tensor([[[1.0, 0.25, 0.0, 0.0]]])
    seen = Seen(torch.ones(3, 1, 4), sure, torch.zeros(3, 1, 4), known)
    depth = torch.tensor([[2.0, 0.0, 0.0, 0.0]])
    given: list[torch.Tensor] = []

    def far_off(so_far: SoFar) -> DepthProposal:
        return DepthProposal(torch.full((1, 4), 9.0), torch.ones(1, 4))

    def on_a_wall(so_far: SoFar) -> DepthProposal:
        given.append(so_far.depth)
        confidence = torch.tensor([[1.0, 0.0, 1.0, 0.0]])
        return DepthProposal(torch.full((1, 4), 5.0), confidence, torch.full((1, 4), 7))

    def grey(so_far: SoFar) -> ColorProposal:
        given.append(so_far.depth)
        return ColorProposal(torch.zeros(3, 1, 4), torch.ones(1, 1, 4))

    whole = complete(SoFar(view, MemoryImages([]), 1.0, seen, depth), (far_off, on_a_wall), grey)
    assert given[0].tolist() == [[2.0, 9.0, 9.0, 9.0]], "a mechanism sees what others guessed"
    assert whole.depth.tolist() == given[1].tolist() == [[2.0, 9.0, 5.0, 9.0]]
    assert whole.owner.tolist() == [[-1, -1, 7, -1]]
    assert whole.fill[0].tolist() == [[1.0, 0.25, 0.0, 0.0]]

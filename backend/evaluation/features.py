# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a frame's features are from the truth's: what PSNR does not see, blur and wrong grain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..models.feature_net import FeatureNet, feature_distance
from .metrics import FEWEST_PIXELS


@dataclass(eq=False)
class FeatureMeter:
    """Distances by one network, in [0, 4]: 0 = the same picture; see `feature_distance`.

    A reading is only comparable with one of the same size of pictures.
    """

    network: FeatureNet

    @torch.inference_mode()
    def levels(self, picture: np.ndarray) -> list[torch.Tensor]:
        """What the network sees in (H, W, 3) uint8 sRGB."""
        return self.network.of_picture(picture)

    @torch.inference_mode()
    def distance(
        self, ours: list[torch.Tensor], true: list[torch.Tensor], mask: np.ndarray | None = None
    ) -> float | None:
        """Between what `levels` gave; of the pixels in `mask` (H, W) bool alone, if there is one.

        None where the mask leaves too few.
        """
        if mask is None:
            return feature_distance(ours, true).item()
        if np.count_nonzero(mask) < FEWEST_PIXELS:
            return None
        weight = torch.from_numpy(mask).float()[None, None].to(ours[0].device)
        return feature_distance(ours, true, weight).item()

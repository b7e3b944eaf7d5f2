# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of memory frames."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from ..shared.camera import Camera
from ..shared.content import content_hash


def frame_id(camera: Camera, rgb: np.ndarray) -> str:
    """32 hex digits of a picture (H, W, 3) and its camera: the same place twice is one frame."""
    text = content_hash(rgb) + json.dumps(camera.to_json())
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

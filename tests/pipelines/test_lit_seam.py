# SPDX-License-Identifier: GPL-3.0-or-later
"""Which worlds are lit: those with a scene, where somebody can light them."""

from __future__ import annotations

import numpy as np

from backend.pipelines.embedded import FramePipeline
from backend.shared.frame import FrameReply, FrameRequest
from backend.shared.world import World
from tests.client.conftest import anchors, camera
from tests.client.tiny_backend import TinyPipeline
from tests.shared.scenes import small_scene


def test_scenes_are_lit_and_points_are_not() -> None:
    pipeline = FramePipeline.from_pretrained("embedded", "cpu")
    request = FrameRequest(camera(32, 24))
    points = World(anchors(200), [], 1)
    scene = World(anchors(200), [], 1, {}, small_scene())
    pipeline.lit = None
    plain = pipeline.render(pipeline.prepare(points), request)
    fallen_back = pipeline.render(pipeline.prepare(scene), request)
    np.testing.assert_array_equal(plain.rgb, fallen_back.rgb)
    pipeline.lit = TinyPipeline()
    lit = pipeline.render(pipeline.prepare(scene), request)
    assert isinstance(lit, FrameReply) and lit.model_name == "tiny"
    same = pipeline.render(pipeline.prepare(points), request)
    np.testing.assert_array_equal(same.rgb, plain.rgb)

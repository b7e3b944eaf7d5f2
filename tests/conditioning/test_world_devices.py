# SPDX-License-Identifier: GPL-3.0-or-later
"""The world's kernels give the same on a GPU as on a CPU."""

from __future__ import annotations

import pytest
import torch

from backend.conditioning.anchors import point_cloud
from backend.conditioning.anchors.lifting import lift
from backend.conditioning.anchors.point_cloud import PointCloud
from backend.conditioning.anchors.point_renderer import render_points
from backend.conditioning.memory.images import MemoryImages
from backend.conditioning.memory.sampling import sample_memory
from backend.conditioning.memory.views import select_views
from backend.conditioning.noise import world_noise
from backend.conditioning.view import View
from backend.shared.anchors import Anchors
from tests.scenes.world_room import photograph, room_camera

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.mark.parametrize("whole", [1 << 30, 0])
def test_points_sampling_views_and_noise_agree(whole: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(point_cloud, "WHOLE", whole)
    views = [photograph(room_camera(p)) for p in ((0, -3, 0.2), (1.2, -2.8, 0.5))]
    anchors = Anchors.concatenate([lift(v) for v in views])
    camera = room_camera((0.4, -2.2, 0.2))
    here, there = (render_points(PointCloud(anchors, d), camera) for d in ("cpu", "cuda"))
    same = (here.depth - there.depth.cpu()).abs() <= 1e-4 * here.depth
    assert same.float().mean() > 0.995  # rounding may move a point over a pixel's border
    cpu, cuda = MemoryImages(views), MemoryImages(views, "cuda")
    depth = here.depth
    chosen = select_views(cpu, camera, depth, 2)
    assert select_views(cuda, camera, depth.cuda(), 2) == chosen
    mine = sample_memory(cpu, chosen, camera, depth)
    theirs = sample_memory(cuda, chosen, camera, depth.cuda())
    close = (mine.rgb - theirs.rgb.cpu()).abs().amax(dim=-1) < 2e-3
    assert close.float().mean() > 0.995
    noise = world_noise(View(camera), depth, 3, 4)
    there = world_noise(View(camera, torch.device("cuda")), depth.cuda(), 3, 4).cpu()
    assert ((noise - there).abs() < 1e-2).float().mean() > 0.999

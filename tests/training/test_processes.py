# SPDX-License-Identifier: GPL-3.0-or-later
"""Training in two processes on a CPU: the path that several GPUs take."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from backend.data.nerfstudio import PosedFrame
from backend.learning.samples import SampleWorld
from tests.scenes.world_room import photograph, room_camera
from tests.training.feature_file import random_features


def test_two_processes_train_the_same_networks_and_stop_together(tmp_path: Path) -> None:
    frames = []
    for i in range(3):
        shot = photograph(room_camera((0.3 * i, -2.5, 0.2), (0, 1, -0.2), (32, 32)))
        frames.append(PosedFrame(shot.camera, shot.rgb, shot.depth, f"{i}"))
    for i in range(2):
        sample = SampleWorld.draw(frames, [2 * i], True, i).sample(frames[1], i)
        sample.save(tmp_path / f"room-{i:02d}-r1.safetensors")
    random_features(tmp_path)  # before two processes write it at once
    output = tmp_path / "run"
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = subprocess.run(
        [*launch, "-m", "tests.training.two_processes", str(tmp_path), str(output)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads((output / "found.json").read_text(encoding="utf-8"))
    assert found["processes"] == 2
    assert found["logs"] == 1
    first, second = found["iterations"]
    assert first == second >= 1
    assert found["model"] == found["discriminator"] == found["fake"] == 0
    assert (output / "checkpoint" / "state.json").is_file()

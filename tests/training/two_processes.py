# SPDX-License-Identifier: GPL-3.0-or-later
"""What test_processes.py starts twice: a run of stage 3 that ends by the clock.

Leaves found.json: how far apart the processes' networks and iterations are at the end.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import torch

from backend.training.config import LossConfig, ModelConfig, TrainConfig
from backend.training.loop import Trainer


def apart(trainer: Trainer, network: torch.nn.Module) -> float:
    """Largest difference of any parameter between the processes."""
    flat = torch.cat([parameter.detach().flatten() for parameter in network.parameters()])
    gathered = trainer.accelerator.gather(flat[None])
    return (gathered[0] - gathered[-1]).abs().max().item()


def main(samples: str, output: str) -> None:
    """Train, compare, write."""
    config = TrainConfig(
        output=output,
        samples=(samples,),
        iterations=10_000,
        minutes=0.05,
        checkpoint_minutes=0.01,
        batch=1,
        crop=32,
        warmup=1,
        workers=0,
        features=str(Path(samples, "features.safetensors")),
        model=ModelConfig(4, (8, 8, 16, 16), 32, 2, 2),
        loss=LossConfig(gan=0.1, dmd=0.1),
    )
    trainer = Trainer("stage3", config, resume=False)
    trainer.run()
    stage, accelerator = trainer.stage, trainer.accelerator
    own = torch.tensor([trainer.iteration], device=accelerator.device)
    found = {
        "processes": accelerator.num_processes,
        "iterations": accelerator.gather(own).tolist(),
        "model": apart(trainer, stage.model),
        "discriminator": apart(trainer, stage.discriminator),
        "fake": apart(trainer, stage.fake),
        "logs": len(list(Path(output).glob("log/events*"))),
    }
    if accelerator.is_main_process:
        Path(output, "found.json").write_text(json.dumps(found), encoding="utf-8")
    accelerator.wait_for_everyone()
    # the end of a gloo group may join a thread that waits for the interpreter lock held here
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])

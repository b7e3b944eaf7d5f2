# SPDX-License-Identifier: GPL-3.0-or-later
"""The training loop: accelerate, EMA, checkpoints by the clock, TensorBoard, progress."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from diffusers.training_utils import EMAModel
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter

from ..learning.batches import Batch, SampleBatches
from ..learning.samples import NOISE_CHANNELS
from ..models.config_file import CONFIG
from ..models.feature_net import FeatureNet
from ..models.feature_weights import load_features
from ..models.frame_model import FrameModel, LatentEncoder
from ..models.load_frame_model import load_frame_model, save_frame_model
from ..models.weights_file import EMBEDDED
from ..shared.errors import InputError, OutOfMemoryError
from .checkpoints import (
    find_checkpoint,
    read_state,
    read_tensors,
    remove_checkpoints,
    restore_module,
    restore_optimizer,
    write_checkpoint,
)
from .config import ModelConfig, TrainConfig
from .pixart import start_from_pixart
from .precision import quicker_precision
from .pretrained_latents import PretrainedLatents
from .stages import STAGES, Stage, StageOutput

GRADIENT_LIMIT = 1.0
SHIPPED = "embedded"
"""A config's `start` that stands for the model that ships."""
LOG_EVERY = 20
"""Iterations between figures; reading one waits for the accelerator."""
HEALTH_EVERY = 50
"""Iterations between looks at the activations."""
ACTIVATION_LIMIT = 100.0
"""Root mean square of hint features beyond which a run has diverged; a sound one stays below 10,
and the loss need not show it: the model then adds nothing to its guesses."""


class Trainer:
    """One run of one stage. `run` ends at the last iteration or when the minutes are up."""

    def __init__(
        self,
        stage_name: str,
        config: TrainConfig,
        resume: bool,
        device: str = "auto",
        overwrite: bool = False,
    ) -> None:
        """resume: go on from the last checkpoint. overwrite: begin anew where a run is already.
        device: "cpu", or the first accelerator. Raises InputError when there is nothing to resume,
        or a run that would be begun anew without having been told to."""
        self.config = config
        self.stage_name = stage_name
        self.output = Path(config.output)
        self.iteration = 0
        self.seconds = 0.0
        if config.threads:
            torch.set_num_threads(config.threads)
        precision = quicker_precision() if config.precision == "auto" else config.precision
        self.accelerator = Accelerator(
            cpu=device == "cpu",
            gradient_accumulation_steps=config.accumulate,
            mixed_precision=precision,
            # a batch without memory leaves memory's encoder without gradients
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
        )
        torch.manual_seed(config.seed)  # the same weights in all processes
        self.stage = build_stage(stage_name, config)
        torch.manual_seed(config.seed + self.accelerator.process_index)
        self.ema = EMAModel(self.stage.model.parameters(), decay=config.ema, foreach=True)
        # Accelerate wraps them in a class of its own, which the checker knows nothing of
        self.optimizers: dict[str, Any] = {
            "generator": self._optimizer(self.stage.generator_parameters())
        }
        if self.stage.adversaries():
            self.optimizers["adversary"] = self._optimizer(self.stage.adversaries())
        found = self._found(resume, overwrite)
        self.stage.to(self.accelerator.device)
        self.ema.to(self.accelerator.device)
        if found:
            self._restore(found)
        self._keep_adversaries_apart()
        self.prepared = self.accelerator.prepare(self.stage)
        self.optimizers = {n: self.accelerator.prepare(o) for n, o in self.optimizers.items()}

    def _found(self, resume: bool, overwrite: bool) -> Path | None:
        """The checkpoint to go on from."""
        found = find_checkpoint(self.output)
        if resume:
            if found is None:
                raise InputError(
                    f"There is no checkpoint in '{self.output}' to resume; leave --resume out."
                )
            return found
        if found is not None and self.accelerator.is_main_process:
            if not overwrite:
                raise InputError(
                    f"There is a run in '{self.output}' already; go on with --resume, begin anew "
                    "with --overwrite, or name another output."
                )
            remove_checkpoints(self.output)  # else a kill before the first new one would resume it
        return None

    def run(self) -> None:
        """Train. An accelerator that runs out of memory is named with the setting to lower."""
        config = self.config
        batches = iter(self._loader())
        checkpoint_at = time.monotonic() + 60 * config.checkpoint_minutes
        columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
        main = self.accelerator.is_main_process
        writer = SummaryWriter(self.output / "log") if main else nullcontext()
        with (
            Progress(*columns, disable=not main, console=Console(stderr=True)) as bar,
            writer as log,
        ):
            task = bar.add_task(self.stage_name, total=config.iterations, completed=self.iteration)
            while self.progress < 1:
                started = time.monotonic()
                output = self._iterate(next(batches).to(self.accelerator.device))
                self.iteration += 1
                self.seconds += self._agreed(time.monotonic() - started)
                if self.iteration % HEALTH_EVERY == 0:
                    self._stop_if_diverged(output)
                if log is not None:
                    self._log(log, output)
                bar.update(task, completed=self.iteration)
                if self.iteration % LOG_EVERY == 0:
                    parts = " ".join(f"{k} {v.item():.4f}" for k, v in output.parts.items())
                    line = f"{self.stage_name} {self.iteration} {parts}"
                    bar.update(task, description=line)
                if time.monotonic() > checkpoint_at:
                    self.save()
                    checkpoint_at = time.monotonic() + 60 * config.checkpoint_minutes
        self.save()
        self.accelerator.wait_for_everyone()

    @property
    def progress(self) -> float:
        """How much of the run is done: by iterations or by minutes, whichever is further."""
        by_iterations = self.iteration / self.config.iterations
        limit = 60 * self.config.minutes
        return max(by_iterations, self.seconds / limit) if limit else by_iterations

    def save(self) -> None:
        """Write a checkpoint, and the averaged weights as a model that the pipeline can load."""
        # no barrier: processes come here at times of their own, and wait in the next iteration
        if not self.accelerator.is_main_process:
            return
        optimizers = {n: o.optimizer for n, o in self.optimizers.items()}
        weights = {"stage": self.stage.state_dict(), "ema": self._ema_tensors()}
        write_checkpoint(self.output, weights, optimizers, self._state())
        self.ema.store(self.stage.model.parameters())
        self.ema.copy_to(self.stage.model.parameters())
        provenance = {"stage": self.stage_name, "iteration": str(self.iteration)}
        save_frame_model(self.stage.model, self.output / "model", provenance)
        self.ema.restore(self.stage.model.parameters())

    def _iterate(self, batch: Batch) -> StageOutput:
        self._set_learning_rate()
        try:
            with self.accelerator.accumulate(self.prepared):
                output = self.prepared(batch, self.iteration)
                self._step("generator", output.loss)
                if self.accelerator.sync_gradients:
                    self.ema.step(self.stage.model.parameters())
                with self.accelerator.autocast():
                    second = self.stage.after_backward(output)
                if second is not None:
                    output.parts["adversary"] = second.detach()
                    self._step("adversary", second)
        except torch.OutOfMemoryError as error:
            raise OutOfMemoryError(
                "The accelerator ran out of memory; lower 'batch' or 'crop' in the config and "
                "--resume, the last checkpoint is intact."
            ) from error
        return output

    def _step(self, name: str, loss: torch.Tensor) -> None:
        optimizer = self.optimizers[name]
        self.accelerator.backward(loss)
        if self.accelerator.sync_gradients:
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            if name == "adversary":
                self._average_gradients(parameters)
            self.accelerator.clip_grad_norm_(parameters, GRADIENT_LIMIT)
        optimizer.step()
        optimizer.zero_grad()

    def _keep_adversaries_apart(self) -> None:
        """torch averages gradients of the loss that `forward` returns, and only once an iteration;
        those of the second loss are `_average_gradients`'s to average."""
        adversaries = {id(parameter) for parameter in self.stage.adversaries()}
        names = [n for n, p in self.stage.named_parameters() if id(p) in adversaries]
        DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(self.stage, names)

    def _average_gradients(self, parameters: list[torch.nn.Parameter]) -> None:
        """Over all processes."""
        if self.accelerator.num_processes > 1:
            for parameter in parameters:
                # a process may have drawn a batch without memory: every one takes part all the same
                own = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                parameter.grad = self.accelerator.reduce(own, "mean")

    def _stop_if_diverged(self, output: StageOutput) -> None:
        """Raises InputError, in all processes alike; the last checkpoint stays as it is."""
        activation = self._agreed(self.stage.figures(output)["activation"].item())
        if not activation < ACTIVATION_LIMIT:  # NaN too
            raise InputError(
                f"The run diverged at iteration {self.iteration} (activations {activation:.0f}); "
                "lower learning_rate and start again, or --resume the last checkpoint with it."
            )

    def _agreed(self, value: float) -> float:
        """The mean over all processes, so that all of them decide alike."""
        if self.accelerator.num_processes == 1:
            return value
        device = self.accelerator.device
        return self.accelerator.reduce(torch.tensor(value, device=device), "mean").item()

    def _optimizer(self, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.AdamW(
            parameters, self.config.learning_rate, betas=(0.9, 0.99), weight_decay=1e-3
        )

    def _set_learning_rate(self) -> None:
        warm = min(1.0, (self.iteration + 1) / max(self.config.warmup, 1))
        # constant, then linearly to a twentieth over the last third
        rate = self.config.learning_rate * warm * max(0.05, min(1.0, 3 * (1 - self.progress)))
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = rate

    def _loader(self) -> DataLoader:
        config = self.config
        folders = [Path(folder) for folder in config.samples]
        # another seed after a resume, or the same first batches would come again
        seed = config.seed, self.iteration, self.accelerator.process_index
        data = SampleBatches(folders, config.batch, config.crop, self.stage.model.head_dim, seed)
        pin = self.accelerator.device.type == "cuda"
        return DataLoader(data, batch_size=None, num_workers=config.workers, pin_memory=pin)

    def _log(self, log: SummaryWriter, output: StageOutput) -> None:
        if self.iteration % LOG_EVERY == 0:
            for name, value in (output.parts | self.stage.figures(output)).items():
                log.add_scalar(name, value.item(), self.iteration)
        if self.iteration % self.config.picture_every == 0:
            for name, picture in output.pictures.items():
                if picture.shape[1] == 3:
                    log.add_images(name, (picture.clamp(-1, 1) + 1) / 2, self.iteration)

    def _state(self) -> dict[str, Any]:
        return {
            "stage": self.stage_name,
            "iteration": self.iteration,
            "seconds": self.seconds,
            "ema_step": self.ema.optimization_step,
            "config": asdict(self.config),
        }

    def _ema_tensors(self) -> dict[str, torch.Tensor]:
        return {f"{i}": tensor for i, tensor in enumerate(self.ema.shadow_params)}

    def _restore(self, path: Path) -> None:
        state = read_state(path)
        if state["stage"] != self.stage_name:
            raise InputError(
                f"'{path}' is a checkpoint of {state['stage']}, not {self.stage_name}."
            )
        restore_module(self.stage, read_tensors(path, "stage"), path)
        for name, optimizer in self.optimizers.items():
            restore_optimizer(optimizer, path, name)
        averaged = read_tensors(path, "ema")
        device = self.accelerator.device
        self.ema.shadow_params = [averaged[f"{i}"].to(device) for i in range(len(averaged))]
        self.ema.optimization_step = state["ema_step"]
        self.iteration = state["iteration"]
        self.seconds = state["seconds"]


def build_stage(stage_name: str, config: TrainConfig) -> Stage:
    """A stage with fresh weights, those of the run `config.start`, or those of `config.pixart`."""
    if config.pixart and config.start:
        raise InputError("The config names both 'pixart' and 'start'; leave one of them out.")
    if config.model.latent_channels > NOISE_CHANNELS:
        raise InputError(
            f"Samples have noise for {NOISE_CHANNELS} latent channels; "
            f"lower latent_channels, which is {config.model.latent_channels}."
        )
    model = _fresh_model(config.model)
    encoder = _latent_encoder(config)
    if config.pixart:
        start_from_pixart(model, Path(config.pixart))
    if config.start:
        _start_from(config, stage_name, model, encoder)
    model.to(memory_format=torch.channels_last)
    if stage_name != "stage1":
        encoder.requires_grad_(False)
    return STAGES[stage_name](config, model, encoder, _features(config))


def _fresh_model(shape: ModelConfig) -> FrameModel:
    return FrameModel(
        latent_channels=shape.latent_channels,
        widths=shape.widths,
        token_width=shape.token_width,
        heads=shape.heads,
        layers=shape.layers,
        time_layers=shape.time_layers,
    )


def _start_from(
    config: TrainConfig,
    stage_name: str,
    model: FrameModel,
    encoder: LatentEncoder | PretrainedLatents,
) -> None:
    """Puts the weights of `config.start` into model and encoder."""
    start = EMBEDDED if config.start == SHIPPED else Path(config.start)
    found = find_checkpoint(start)
    if found is not None:
        tensors = read_tensors(found, "stage")
        prefix = "encoder."
        restore_module(
            encoder,
            {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)},
            found,
        )
        start = start / "model"
    elif not (start / CONFIG).is_file():
        raise InputError(f"There is neither a checkpoint nor a model in '{start}' to start from.")
    elif stage_name != "stage3" or config.loss.diffusion or config.loss.dmd:
        raise InputError(
            f"'{start}' is a model without its latent encoder; start from a run's folder, or train "
            "stage3 with diffusion = 0 and dmd = 0."
        )
    restore_module(model, load_frame_model(start).state_dict(), found or start)


def _features(config: TrainConfig) -> FeatureNet | None:
    if not config.loss.needs_features:
        return None
    network = load_features(Path(config.features) if config.features else None)
    nn.Module.to(network, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def _latent_encoder(config: TrainConfig) -> LatentEncoder | PretrainedLatents:
    channels = config.model.latent_channels
    if config.vae:
        return PretrainedLatents(Path(config.vae), channels)
    return LatentEncoder(latent_channels=channels, widths=config.model.widths)

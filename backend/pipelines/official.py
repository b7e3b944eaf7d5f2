# SPDX-License-Identifier: GPL-3.0-or-later
"""The released WorldFM model behind the same two calls as `pipelines.embedded.FramePipeline`.

A frame has three conditions in this model: the anchors as 1-pixel points, one memory frame, and
noise. Memory frames are encoded once; the mode of their latents is taken, so nothing flickers.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.compiler import set_stance

from ..conditioning.anchors.point_renderer import AnchorRender, PointCloud, render_points
from ..conditioning.memory.images import MemoryImages
from ..conditioning.memory.sampling import sample_memory
from ..conditioning.memory.views import select_views
from ..models.acceleration import Graphed, accelerate
from ..models.autoencoder import Autoencoder, from_bytes, to_bytes, vae_dtype
from ..models.config_file import read_config
from ..models.loading import Progress
from ..models.official_transformer import OfficialTransformer
from ..models.preprocess import fit_picture
from ..models.pretrained import load_pretrained
from ..models.run_options import (
    OPTIONS_VARIABLE,
    OfficialSettings,
    RunOptions,
    read_options,
)
from ..models.store import (
    OFFICIAL,
    PUBLISHED,
    RECORD,
    ModelRecord,
    find_model,
    models_dir,
    read_record,
)
from ..shared.camera import Camera
from ..shared.content import content_hash
from ..shared.errors import InputError, ModelError, WorldError
from ..shared.frame import FrameReply, FrameRequest
from ..shared.world import World
from .embedded import Stopwatch, choose_device, choose_dtype, memory_errors
from .focus import focused
from .picture_reply import picture_reply
from .schedulers import (
    MultistepSolver,
    few_step_timesteps,
    sample_few_steps,
    seeded_noise,
)
from .shutter import exposed

MOST_STEPS = 100
MOST_LATENTS = 1024
"""Memory latents kept (64 KB each at 512 x 512)."""


@dataclass(eq=False)
class OfficialWorld:
    """A world ready to be rendered; `pictures` names each memory frame by its content."""

    cloud: PointCloud
    images: MemoryImages
    pictures: list[str]
    revision: int


class OfficialPipeline:
    """The released transformer with its autoencoder. Not thread-safe: one thread renders."""

    def __init__(
        self,
        model: OfficialTransformer,
        vae: Autoencoder,
        record: ModelRecord,
        device: torch.device,
        settings: OfficialSettings | None = None,
        options: RunOptions | None = None,
    ) -> None:
        self.settings = settings or OfficialSettings()
        self.options = (options or RunOptions()).decided(device)
        self.model = model.eval().requires_grad_(False)
        self.vae = vae
        self.device = device
        self.name = record.name
        self.hash = record.hash
        self.default_steps = record.steps
        self._latents: OrderedDict[tuple, Tensor] = OrderedDict()
        self._noise: tuple[tuple, tuple[Tensor, ...]] = ((), ())
        accelerate(self.model, self.vae, device, self.options)
        wrap = Graphed if self.options.cuda_graphs else _plain
        self._encode = wrap(self.encode_bytes)
        self._decode = wrap(self.decode_bytes)
        self._denoisers: dict[int, Callable[..., Tensor]] = {}
        self._wrap = wrap

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path,
        device: str = "auto",
        dtype: str = "auto",
        settings: OfficialSettings | None = None,
        options: RunOptions | None = None,
    ) -> OfficialPipeline:
        """An installed model by name, or the folder of one (see `backend.models.store`).

        settings, options: None = what the environment variable WORLDFM_OFFICIAL says. Raises
        ModelError when the model is absent or damaged.
        """
        folder = find_model(name_or_path)
        wanted_settings, wanted_options = read_options(os.environ.get(OPTIONS_VARIABLE, ""))
        settings, options = settings or wanted_settings, options or wanted_options
        place = choose_device(device)
        kind = choose_dtype(dtype, place)
        model = load_transformer(folder / "transformer", kind)
        vae_folder = settings.tiny_vae or folder / "vae"
        vae = Autoencoder.from_folder(vae_folder, vae_dtype(kind, place))
        return cls(model, vae, read_record(folder), place, settings, options)

    @property
    def stride(self) -> int:
        """Sides of a frame are worked on in multiples of this many pixels."""
        return self.vae.factor * self.model.config.patch_size

    @torch.inference_mode()
    def prepare(self, world: World) -> OfficialWorld:
        """Upload a world. Raises WorldError when there is nothing in it."""
        memory = [frame for frame in world.memory if frame.enabled]
        if not len(world.anchors) and not memory:
            raise WorldError(
                "The world is empty; add geometry to the scene or capture memory frames first."
            )
        with memory_errors():
            cloud = PointCloud(world.anchors, self.device)
            images = MemoryImages(memory, self.device)
        return OfficialWorld(
            cloud, images, [content_hash(frame.rgb) for frame in memory], world.revision
        )

    @torch.inference_mode()
    def render(self, prepared: OfficialWorld, request: FrameRequest) -> FrameReply:
        """Generate one frame. The same world and request give the same bytes.

        That is on one device of one machine, with one number of threads.
        """
        watch = Stopwatch(self.device)
        camera = self.padded(request.camera)
        with memory_errors(), self._no_compilation():
            anchors = render_points(prepared.cloud, camera)
            chosen = select_views(prepared.images, camera, anchors.depth, 1)
            points = one_pixel_points(anchors, prepared.images, camera)
            watch.lap("anchors")
            memory = self.memory_latent(prepared, chosen, camera) if chosen else None
            watch.lap("memory")
            rgb = self.generate(points, memory, request.seed, request.steps, watch)
        reply = picture_reply(
            self,
            prepared.revision,
            request,
            watch.milliseconds,
            rgb=rgb,
            depth=anchors.depth,
            coverage=anchors.coverage,
            anchor_rgb=points,
        )
        reply = exposed(focused(reply))
        watch.lap("output")
        return reply

    def check_steps(self, steps: int) -> None:
        """Raises InputError for a number of steps that the model does not take."""
        if not 1 <= steps <= MOST_STEPS:
            raise InputError(f"The model takes 1 to {MOST_STEPS} steps, not {steps}.")

    def generate(
        self, points: Tensor, memory: Tensor | None, seed: int, steps: int, watch: Stopwatch
    ) -> Tensor:
        """uint8 (H, W, 3) from an anchor render, uint8 (H, W, 3), and a memory latent.

        Without a memory latent the anchors stand in for it. H and W are multiples of `stride`.
        steps: 1 or 2 as distilled; more are taken with DPM-Solver++.
        """
        self.check_steps(steps)
        shape = self._latent_shape(*points.shape[:2])
        noises = self._noises(shape, seed, 2 + min(steps, 2))
        extra = noises[:1] if self.settings.sample_latents else ()
        anchor = self._encode(points[None], *extra)
        if memory is None:
            memory = anchor
        watch.lap("encode")
        if steps not in self._denoisers:
            denoise = partial(self._denoise, steps)
            self._denoisers[steps] = self._wrap(denoise) if steps <= 2 else denoise
        latent = self._denoisers[steps](anchor, memory, *noises[2:])
        watch.lap("transformer")
        image = self._decode(latent)[0]
        watch.lap("decode")
        return image

    def memory_latent(self, prepared: OfficialWorld, chosen: list[int], camera: Camera) -> Tensor:
        """The latent (1, C, H/8, W/8) of the chosen memory frame at the camera's size.

        It is encoded once per picture.
        """
        key = prepared.pictures[chosen[0]], camera.width, camera.height
        if key not in self._latents:
            picture = prepared.images.frames[chosen[0]].rgb
            fitted = fit_picture(picture, camera.height, camera.width)
            self._latents[key] = self.encode_picture(fitted)
            while len(self._latents) > MOST_LATENTS:
                self._latents.popitem(last=False)
        self._latents.move_to_end(key)
        return self._latents[key]

    def warm_up(
        self, width: int, height: int, steps: int | None = None, progress: Progress | None = None
    ) -> None:
        """Run every stage once at a frame's size: compilation and recording happen here.

        progress: told the stage and the share done.
        """
        tell = progress or (lambda what, share: None)
        width, height = (-(-side // self.stride) * self.stride for side in (width, height))
        steps = steps or self.default_steps
        blank = torch.zeros(1, height, width, 3, dtype=torch.uint8, device=self.device)
        noises = self._noises(self._latent_shape(height, width), 0, 2 + min(steps, 2))
        with torch.inference_mode(), memory_errors():
            tell("preparing the encoder", 0.0)
            extra = noises[:1] if self.settings.sample_latents else ()
            latent = self._encode(blank, *extra).clone()
            tell("preparing the transformer", 0.2)
            self.generate(blank[0], latent, 0, steps, Stopwatch(self.device))
            tell("ready", 1.0)

    def _no_compilation(self) -> AbstractContextManager[object]:
        """Sizes that were not warmed up run uncompiled: nobody waits a minute for a frame."""
        return set_stance("eager_on_recompile") if self.options.compile else nullcontext()

    def padded(self, camera: Camera) -> Camera:
        """The camera with its right and lower edge moved out to whole patches."""
        width, height = (-(-s // self.stride) * self.stride for s in (camera.width, camera.height))
        return camera.cropped(0, 0, width, height)

    def _latent_shape(self, height: int, width: int) -> tuple[int, int, int, int]:
        factor = self.vae.factor
        return 1, self.model.config.latent_channels, height // factor, width // factor

    def _noises(self, shape: tuple[int, ...], seed: int, draws: int) -> tuple[Tensor, ...]:
        """Noise on the device; that of the last frame is kept, for most frames share a seed."""
        key = shape, seed, draws
        if self._noise[0] != key:
            self._noise = key, tuple(n.to(self.device) for n in seeded_noise(shape, seed, draws))
        return self._noise[1]

    def encode_picture(self, picture: np.ndarray) -> Tensor:
        """The latent of a memory frame, uint8 (H, W, 3) of a frame's padded size."""
        image = torch.from_numpy(picture.copy())[None].to(self.device)
        shape = self._latent_shape(*image.shape[1:3])
        # the second draw of seed 0: a picture's latent does not depend on the frame it serves
        extra = self._noises(shape, 0, 2)[1:] if self.settings.sample_latents else ()
        return self._encode(image, *extra).clone()

    def encode_bytes(self, image: Tensor, noise: Tensor | None = None) -> Tensor:
        """uint8 (1, H, W, 3) to a scaled latent; with noise, a sample instead of the mode."""
        return self.vae.encode(from_bytes(image), noise)

    def decode_bytes(self, latent: Tensor) -> Tensor:
        """A scaled latent to uint8 (1, H, W, 3)."""
        return to_bytes(self.vae.decode(latent))

    def _denoise(self, steps: int, anchor: Tensor, memory: Tensor, *noises: Tensor) -> Tensor:
        def network(x: Tensor, t: Tensor) -> Tensor:
            return self.model(x, anchor, memory, t)

        if steps > 2:
            return MultistepSolver(steps).solve(network, noises[0])
        return sample_few_steps(
            network, noises[:steps], few_step_timesteps(steps, self.settings.mid_timestep)
        )


def is_official(name_or_path: str | Path) -> bool:
    """Whether `OfficialPipeline` is what loads this name or folder."""
    if name_or_path in (OFFICIAL, *PUBLISHED):  # installed or not: its loader says how to get it
        return True
    installed = models_dir() / str(name_or_path) / RECORD
    return os.path.isfile(installed) or os.path.isfile(Path(name_or_path) / RECORD)


def load_transformer(folder: Path, dtype: torch.dtype) -> OfficialTransformer:
    """The transformer of a converted model. Raises ModelError when its files do not fit."""
    remedy = "remove it and install it again"
    config = read_config(folder, "The model", remedy)
    # models installed before this class was one of its own say what they are in "conditions"
    named = config.get("_class_name") == OfficialTransformer.__name__
    if not named and config.get("conditions") != "joint":
        raise ModelError(f'The model in "{folder}" is not a released one; {remedy}.')
    return load_pretrained(OfficialTransformer, folder, "The model", dtype, remedy)


def one_pixel_points(anchors: AnchorRender, images: MemoryImages, camera: Camera) -> Tensor:
    """The anchor render as the model was trained on it, uint8 (H, W, 3): bare points on black.

    Points without a colour of their own (black) take that of the memory frames that see them.
    """
    hit = anchors.coverage >= 1
    points = anchors.rgb * hit[..., None]
    bare = hit & (anchors.rgb.amax(dim=-1) == 0)
    if images.frames and bool(bare.any()):
        chosen = select_views(images, camera, anchors.depth, 4)
        seen = sample_memory(images, chosen, camera, anchors.depth)
        known = bare & (seen.weight > 0)
        colour = (seen.rgb * 255).round().clamp(0, 255).to(torch.uint8)
        points = torch.where(known[..., None], colour, points)
    return points


def _plain(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return function

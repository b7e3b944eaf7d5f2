# SPDX-License-Identifier: GPL-3.0-or-later
"""One frame from world, camera and model: the embedded model's path."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakKeyDictionary, WeakValueDictionary

import torch
from torch import nn

from ..conditioning.anchors.point_renderer import PointCloud
from ..conditioning.conditions import Conditions, build_conditions, world_scale
from ..conditioning.detail import with_detail
from ..conditioning.hints import hints_of
from ..conditioning.memory.free_space import contradicts
from ..conditioning.memory.images import MemoryImages
from ..conditioning.memory.prepared import PreparedFrames
from ..conditioning.noise import latent_noise
from ..conditioning.threads import look_whether_to_stop
from ..conditioning.unseen.imagined import (
    PAINTED_GRAIN,
    WORTH_IT,
    Imagined,
    is_photo,
    to_imagine,
    views_aside,
)
from ..models.cell_net import load_colors, load_completion
from ..models.frame_model import LATENT_STRIDE, TOKEN_STRIDE, FrameModel, MemoryTokens
from ..models.load_frame_model import load_frame_model
from ..models.memory_input import memory_tokens
from ..models.prope import encode_view
from ..models.weights_file import EMBEDDED, weights_hash
from ..shared.anchors import Anchors
from ..shared.camera import Camera
from ..shared.errors import CameraError, InputError, OutOfMemoryError, WorldError
from ..shared.frame import FrameReply, FrameRequest, MemoryFrame
from ..shared.stage import stage
from ..shared.world import World
from .focus import focused
from .lit_seam import LitPipeline, LitPrepared, load_lit_pipeline
from .picture_reply import picture_reply
from .schedulers import few_step_timesteps, signal_and_noise
from .shutter import exposed

IMAGINED_REFERENCES = 4
"""Memory frames that an imagined view is drawn from."""


@dataclass(eq=False)
class PreparedWorld:
    """A world on the device: points ready to render, memory ready to sample and attend to.

    imagined: the surroundings that nobody saw, of the seed last asked for.
    """

    cloud: PointCloud
    images: MemoryImages
    tokens: Sequence[MemoryTokens | None]
    scale: float
    revision: int
    imagined: tuple[int, Imagined] | None = None


@dataclass(eq=False)
class Stopwatch:
    """Milliseconds per named stage; on an accelerator each stage ends with a synchronisation."""

    device: torch.device
    milliseconds: dict[str, float] = field(default_factory=dict)
    _start: float = field(default_factory=time.perf_counter)

    def lap(self, stage: str) -> None:
        """Book the time since the last lap on `stage`. Raises Stopped where nobody waits."""
        look_whether_to_stop()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        now = time.perf_counter()
        spent = 1e3 * (now - self._start)
        self.milliseconds[stage] = self.milliseconds.get(stage, 0.0) + spent
        self._start = now


class FramePipeline:
    """The embedded frame model with everything around it. Not thread-safe: one thread renders."""

    default_steps = 1

    def __init__(
        self, model: FrameModel, name: str, digest: str, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.model = model.eval().requires_grad_(False)
        # ModelMixin.to() warns of a cast even where nothing has to stay in float32
        nn.Module.to(self.model, device, dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.name = name
        self.hash = digest
        self.device = device
        self._tokens: WeakKeyDictionary[MemoryFrame, tuple[float, MemoryTokens]] = (
            WeakKeyDictionary()
        )
        self._frames = PreparedFrames(device)
        self._clouds: WeakValueDictionary[tuple[int, ...], PointCloud] = WeakValueDictionary()
        self.lit: LitPipeline | None = load_lit_pipeline()

    @classmethod
    def from_pretrained(
        cls, name_or_path: str | Path = "embedded", device: str = "auto", dtype: str = "auto"
    ) -> FramePipeline:
        """The shipped model ("embedded") or a folder that holds config.json and safetensors.

        dtype: float32, float16 or bfloat16; "auto" takes float16 on CUDA and float32 elsewhere.
        Raises ModelError when the folder holds no frame model or its weights are damaged.
        """
        folder = EMBEDDED if str(name_or_path) == "embedded" else Path(name_or_path)
        place = choose_device(device)
        name = "embedded" if folder == EMBEDDED else folder.name
        model = load_frame_model(folder)
        for load in (load_completion, load_colors):  # before the first frame asks for them
            load(place)
        return cls(model, name, weights_hash(folder), place, choose_dtype(dtype, place))

    def check_steps(self, steps: int) -> None:
        """Raises InputError for a number of steps that the model does not take."""
        if steps not in (1, 2):
            raise InputError(f"The embedded model takes 1 or 2 steps, not {steps}.")

    @torch.inference_mode()
    def prepare(self, world: World) -> PreparedWorld | LitPrepared:
        """Upload a world and encode its memory. Raises WorldError when there is nothing in it.

        A scene's surfaces are lit; without what that needs, its points are shown.
        """
        if world.scene is not None and self.lit is not None:
            return LitPrepared(self.lit, self.lit.prepare(world))
        memory = [frame for frame in world.memory if frame.enabled]
        if not len(world.anchors) and not memory:
            raise WorldError(
                "The world is empty; add geometry to the scene or capture memory frames first."
            )
        scale = world_scale(memory, world.anchors)
        with memory_errors():
            tokens = [self._tokens_of(frame, scale) for frame in memory]
            return PreparedWorld(
                cloud=self._cloud_of(world.anchors),
                images=MemoryImages(memory, self.device, self._frames),
                tokens=tokens,
                scale=scale,
                revision=world.revision,
            )

    def _cloud_of(self, anchors: Anchors) -> PointCloud:
        """Sorted once for as long as a prepared world shows the same points."""
        # a cloud keeps its anchors, so that no other arrays can have their ids meanwhile
        key = tuple(map(id, anchors.arrays()))
        cloud = self._clouds.get(key)
        if cloud is None or cloud.anchors.whole != anchors.whole:
            cloud = self._clouds[key] = PointCloud(anchors, self.device)
        return cloud

    def _tokens_of(self, frame: MemoryFrame, scale: float) -> MemoryTokens:
        """Encoded once for as long as the frame lives: animated geometry leaves memory as it is."""
        kept = self._tokens.get(frame)
        if kept is None or kept[0] != scale:
            kept = self._tokens[frame] = scale, memory_tokens(self.model, frame, scale)
        return kept[1]

    @torch.inference_mode()
    def render(self, prepared: PreparedWorld | LitPrepared, request: FrameRequest) -> FrameReply:
        """Generate one frame. The same world and request give the same bytes.

        That is on one device of one machine, with one number of threads.
        """
        if isinstance(prepared, LitPrepared):
            return prepared.pipeline.render(prepared.world, request)
        self.check_steps(request.steps)
        if request.camera.is_orthographic:
            raise CameraError(
                "An orthographic camera shows a scene's own surfaces, and this world is of points; "
                "set the camera's lens type to Perspective."
            )
        watch = Stopwatch(self.device)
        camera = request.camera
        with memory_errors():
            stage("Continuing what nobody saw")
            imagined = self.imagined(prepared, request.seed)
            stage("Painting the picture")
            watch.lap("surroundings")
            conditions = build_conditions(
                prepared.cloud,
                prepared.images,
                padded_camera(camera),
                references=request.references,
                scale=prepared.scale,
                imagined=imagined,
            )
            watch.lap("anchors")
            image = self.generate(conditions, prepared, request.seed, request.steps, watch)
            image = with_detail(image, conditions, prepared.images.flat_surfaces)
        reply = picture_reply(
            self,
            prepared.revision,
            request,
            watch.milliseconds,
            rgb=_bytes(image),
            depth=torch.where(conditions.seen, conditions.depth, 0.0),
            coverage=conditions.coverage,
            anchor_rgb=conditions.anchors.rgb,
        )
        reply = exposed(focused(reply))
        watch.lap("output")
        return reply

    @torch.inference_mode()
    def imagined(self, prepared: PreparedWorld, seed: int) -> Imagined:
        """What surrounds the memory of a world, imagined once a seed."""
        if prepared.imagined is None or prepared.imagined[0] != seed:
            prepared.imagined = seed, self._imagine(prepared, seed)
        return prepared.imagined[1]

    def _imagine(self, prepared: PreparedWorld, seed: int) -> Imagined:
        if not prepared.cloud.whole and is_photo(prepared.images.frames):
            return Imagined.continued(prepared.images.frames, prepared.cloud)
        imagined = Imagined.nothing(self.device)
        for camera in views_aside(prepared.images.frames):
            glance = camera.resized(*(max(1, side // 4) for side in (camera.width, camera.height)))
            missing = to_imagine(self._aside(prepared, imagined, glance))
            if missing.float().mean() < WORTH_IT:
                continue
            conditions = self._aside(prepared, imagined, padded_camera(camera))
            watch = Stopwatch(self.device)
            image = self.generate(conditions, prepared, seed, 1, watch, PAINTED_GRAIN)
            new = to_imagine(conditions)
            depth = torch.where(new, conditions.depth, 0.0).cpu().numpy()
            depth[contradicts(depth, conditions.camera, prepared.images.frames)] = 0
            imagined = imagined.joined(conditions.camera, _bytes(image).cpu().numpy(), depth)
        return imagined

    def _aside(self, prepared: PreparedWorld, imagined: Imagined, camera: Camera) -> Conditions:
        """What is known of a view beside memory, with what was imagined so far."""
        return build_conditions(
            prepared.cloud,
            prepared.images,
            camera,
            references=IMAGINED_REFERENCES,
            scale=prepared.scale,
            imagined=imagined,
        )

    def generate(
        self,
        conditions: Conditions,
        prepared: PreparedWorld,
        seed: int,
        steps: int,
        watch: Stopwatch,
        grain: float = 1.0,
    ) -> torch.Tensor:
        """(1, 3, H, W) in [-1, 1], in the model's precision. grain: see `hints_of`."""
        model, camera = self.model, conditions.camera
        dtype = model.dtype
        hints = hints_of(conditions, prepared.scale, seed, grain)[None].to(dtype)
        features = model.encode_hints(hints.contiguous(memory_format=torch.channels_last))
        watch.lap("hints")
        grid = camera.height // TOKEN_STRIDE, camera.width // TOKEN_STRIDE
        view = encode_view(camera, grid, prepared.scale, model.head_dim).to(self.device, dtype)
        frames = [prepared.tokens[i] for i in conditions.references]
        memory = MemoryTokens.join([tokens for tokens in frames if tokens is not None])
        channels = model.config.latent_channels
        latent = None
        for step, timestep in enumerate(few_step_timesteps(steps)):
            # each step has noise of its own, locked to the world like the first
            drawn = 2 * seed + 1 + step
            noise = latent_noise(conditions.view, conditions.depth, LATENT_STRIDE, channels, drawn)
            signal, sigma = signal_and_noise(timestep)
            clean = 0.0 if latent is None else latent.float()
            noisy = signal * clean + sigma * noise[None]
            t = torch.tensor([float(timestep)], device=self.device)
            latent = model.denoise(noisy.to(dtype), t, features, view, memory)
        watch.lap("transformer")
        guesses = (conditions.base, conditions.fill, conditions.weight)
        image = model.decode(latent, features, *(guess[None].to(dtype) for guess in guesses))
        watch.lap("decoder")
        return image


def _bytes(image: torch.Tensor) -> torch.Tensor:
    """(1, 3, H, W) in [-1, 1] to (H, W, 3) uint8."""
    rgb = (image[0].permute(1, 2, 0).float() * 127.5 + 127.5).round().clamp(0, 255)
    return rgb.to(torch.uint8)


def padded_camera(camera: Camera) -> Camera:
    """The camera with its right and lower edge moved out to whole tokens."""
    width, height = (-(-s // TOKEN_STRIDE) * TOKEN_STRIDE for s in (camera.width, camera.height))
    return camera.cropped(0, 0, width, height)


def choose_device(name: str) -> torch.device:
    """The device called `name`; "auto" is the first of CUDA (and ROCm), Apple, CPU that works.

    A device of many carries its number, as its tensors do: what is kept per device is found again.
    """
    if name == "auto":
        accelerators = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
        name = next((kind for kind, present in accelerators.items() if present), "cpu")
    try:
        return torch.zeros(1, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"The device '{name}' does not work here; choose another in Device or use 'auto'."
        ) from error


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """The precision called `name`; "auto" is float16 on CUDA and float32 elsewhere."""
    if name == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    known = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
    if name not in known:
        raise InputError(f"'{name}' is no precision; choose one of {', '.join(known)}.")
    return known[name]


@contextmanager
def memory_errors() -> Iterator[None]:
    """Turn a device's out-of-memory error into the sentence that the user reads."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise OutOfMemoryError(
            "The device ran out of memory; lower the resolution or choose the CPU as Device."
        ) from error

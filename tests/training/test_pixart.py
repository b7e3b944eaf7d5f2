# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting from PixArt-Sigma: a tiny diffusers model is the oracle of where weights belong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, PixArtTransformer2DModel

from backend.conditioning.noise import world_noise
from backend.conditioning.view import View
from backend.data.nerfstudio import PosedFrame
from backend.learning.samples import NOISE_CHANNELS, SampleWorld
from backend.models.frame_model import FrameModel
from backend.models.load_frame_model import load_frame_model
from backend.models.prope import ViewEncoding
from backend.shared.errors import InputError, ModelError
from backend.training.config import LossConfig, ModelConfig, TrainConfig
from backend.training.loop import Trainer
from backend.training.pixart import FOLDED_TIMESTEP, start_from_pixart
from backend.training.pretrained_latents import PretrainedLatents
from tests.scenes.world_room import photograph, room_camera
from tests.training.feature_file import random_features

SIZE = 32
WIDTHS = (8, 8, 16, 16)
MODEL = ModelConfig(4, WIDTHS, 32, 2, 2, time_layers=3)


def tiny_pixart(**changes) -> PixArtTransformer2DModel:
    """Sigma's architecture with two heads of 16 channels and two blocks."""
    torch.manual_seed(5)
    settings = {
        "num_attention_heads": 2,
        "attention_head_dim": 16,
        "num_layers": 2,
        "cross_attention_dim": 32,
        "caption_channels": 8,
        "sample_size": 8,
        "use_additional_conditions": False,
    }
    return PixArtTransformer2DModel(**(settings | changes)).eval()


@pytest.fixture(scope="module")
def pixart(tmp_path_factory) -> tuple[PixArtTransformer2DModel, Path]:
    folder = tmp_path_factory.mktemp("pixart")
    source = tiny_pixart()
    source.save_pretrained(folder)
    return source, folder


@pytest.fixture(scope="module")
def started(pixart) -> FrameModel:
    model = frame_model()
    start_from_pixart(model, pixart[1])
    return model.eval()


@pytest.fixture(scope="module")
def vae(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("vae")
    torch.manual_seed(2)
    blocks = 4
    AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * blocks,
        up_block_types=("UpDecoderBlock2D",) * blocks,
        block_out_channels=(4, 4, 4, 4),
        norm_num_groups=2,
        latent_channels=4,
        scaling_factor=0.5,
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def samples(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    frames = []
    for i in range(3):
        shot = photograph(room_camera((0.3 * i, -2.5, 0.2), (0, 1, -0.2), (SIZE, SIZE)))
        frames.append(PosedFrame(shot.camera, shot.rgb, shot.depth, f"{i}"))
    sample = SampleWorld.draw(frames, [0, 2], True, 0).sample(frames[1], 0)
    sample.save(folder / "room-00-r2.safetensors")
    return folder


def frame_model(**changes) -> FrameModel:
    settings = {
        "latent_channels": 4,
        "widths": WIDTHS,
        "token_width": 32,
        "heads": 2,
        "layers": 2,
        "time_layers": 3,
    }
    return FrameModel(**(settings | changes))


def neutral_view(tokens: int, head_dim: int) -> ViewEncoding:
    """Identity cameras and zero angles: attention without positions."""
    eye = torch.eye(4)[None]
    angles = torch.zeros(1, tokens, head_dim // 4)
    return ViewEncoding(eye, eye, angles.cos(), angles.sin())


def without_cross_attention(source: PixArtTransformer2DModel) -> PixArtTransformer2DModel:
    """A copy whose cross-attention adds nothing and whose tokens carry no positions."""
    copy = PixArtTransformer2DModel.from_config(source.config).eval()
    copy.load_state_dict(source.state_dict())
    for block in copy.transformer_blocks:
        torch.nn.init.zeros_(block.attn2.to_out[0].weight)
        torch.nn.init.zeros_(block.attn2.to_out[0].bias)
    copy.pos_embed.pos_embed.zero_()
    return copy


@torch.no_grad()
def test_blocks_compute_what_diffusers_computes(pixart, started):
    source = without_cross_attention(pixart[0])
    tokens = torch.randn(1, 6, 32)
    rows = torch.randn(1, 6, 32)
    for ours, theirs in zip(started.blocks, source.transformer_blocks, strict=True):
        found, _ = ours(tokens, rows, neutral_view(6, 16))
        expected = theirs(
            tokens, timestep=rows.flatten(1), encoder_hidden_states=torch.zeros(1, 1, 32)
        )
        assert torch.allclose(found, expected, atol=1e-5)
        assert not torch.allclose(found, tokens, atol=1e-2)


@torch.no_grad()
@pytest.mark.parametrize("timestep", [0.0, 37.0, 999.0])
def test_timesteps_modulate_as_in_diffusers(pixart, started, timestep):
    t = torch.tensor([timestep])
    expected, _ = pixart[0].adaln_single(t, batch_size=1, hidden_dtype=torch.float32)
    found = started.time(t, torch.float32)
    assert torch.allclose(found.flatten(1), expected, atol=1e-5)


@torch.no_grad()
def test_whole_transformer_gives_the_negated_noise_prediction(pixart, started):
    latent = torch.randn(1, 4, 8, 12)
    hints = [torch.randn(1, width, 1, 1) for width in WIDTHS[:-1]] + [torch.randn(1, 16, 8, 12)]
    t = torch.tensor([float(FOLDED_TIMESTEP)])
    source = without_cross_attention(pixart[0])
    source.pos_embed.pos_embed = None  # positions of another grid than the trained one
    source.pos_embed.forward = lambda x: source.pos_embed.proj(x).flatten(2).transpose(1, 2)
    expected = source(latent, encoder_hidden_states=torch.zeros(1, 1, 8), timestep=t).sample
    found = started.denoise(latent, t, hints, neutral_view(24, 16), None)
    assert torch.allclose(found, -expected[:, :4], atol=1e-5)


def test_memory_begins_as_a_clean_picture(pixart, started):
    expected, _ = pixart[0].adaln_single(torch.zeros(1), batch_size=1, hidden_dtype=torch.float32)
    assert torch.allclose(started.memory_modulation.flatten(), expected[0], atol=1e-5)


def test_folders_that_do_not_fit_are_named(pixart, vae, tmp_path):
    with pytest.raises(ModelError, match="for config"):
        start_from_pixart(frame_model(), tmp_path / "nothing")
    with pytest.raises(ModelError, match="AutoencoderKL"):
        start_from_pixart(frame_model(), vae)
    (tmp_path / "config.json").write_text("[")
    with pytest.raises(ModelError, match="no usable config"):
        start_from_pixart(frame_model(), tmp_path)
    (tmp_path / "config.json").write_text((pixart[1] / "config.json").read_text())
    with pytest.raises(ModelError, match="PixArt-Sigma in"):
        start_from_pixart(frame_model(), tmp_path)
    config = json.loads((pixart[1] / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"use_additional_conditions": True}))
    with pytest.raises(ModelError, match="another PixArt than Sigma"):
        start_from_pixart(frame_model(), tmp_path)


@pytest.mark.parametrize(
    "changes",
    [{"token_width": 48}, {"heads": 4}, {"layers": 3}, {"latent_channels": 8}, {"time_layers": 2}],
)
def test_another_size_is_named_with_the_setting(pixart, changes):
    model = frame_model(**changes)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(ModelError, match=next(iter(changes))):
        start_from_pixart(model, pixart[1])
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_pretrained_latents_are_the_scaled_mode(vae):
    image = torch.rand(1, 3, SIZE, SIZE) * 2 - 1
    found = PretrainedLatents(vae, 4)(image)
    with torch.no_grad():
        expected = AutoencoderKL.from_pretrained(vae).encode(image).latent_dist.mode() * 0.5
    assert found.shape == (1, 4, SIZE // 8, SIZE // 8)
    assert torch.allclose(found, expected, atol=1e-5)
    with pytest.raises(ModelError, match="latent_channels"):
        PretrainedLatents(vae, 8)


def config(samples: Path, output: Path, **settings) -> TrainConfig:
    values = {
        "output": str(output),
        "samples": (str(samples),),
        "iterations": 2,
        "batch": 1,
        "crop": SIZE,
        "warmup": 1,
        "workers": 0,
        "accumulate": 2,
        "model": MODEL,
    }
    return TrainConfig(**(values | settings))


def test_stages_run_from_pixart_on_pretrained_latents(pixart, vae, samples, tmp_path):
    common = {"vae": str(vae)}
    first = Trainer(
        "stage1", config(samples, tmp_path / "1", pixart=str(pixart[1]), **common), False
    )
    table = pixart[0].transformer_blocks[1].scale_shift_table
    assert torch.equal(first.stage.model.blocks[1].table, table)
    assert not any(name.startswith("encoder") for name in first.stage.state_dict())
    first.run()
    assert not torch.equal(first.stage.model.blocks[1].table, table)
    start = str(tmp_path / "1")
    second = Trainer("stage2", config(samples, tmp_path / "2", start=start, **common), False)
    assert torch.allclose(second.stage.model.token_out.weight, averaged(tmp_path / "1"), atol=1e-3)
    second.run()
    losses, start = LossConfig(dmd=0.1, gan=0.1), str(tmp_path / "2")
    common["features"] = random_features(tmp_path)
    settings = config(samples, tmp_path / "3", start=start, loss=losses, **common)
    Trainer("stage3", settings, False).run()
    assert all(torch.isfinite(v).all() for v in averaged_model(tmp_path / "3").values())


def test_few_step_stage_runs_in_bfloat16(vae, samples, tmp_path):
    losses = LossConfig(perceptual=0.1, dmd=0.1, gan=0.1)
    seen = {"vae": str(vae), "features": random_features(tmp_path)}
    settings = config(samples, tmp_path, loss=losses, precision="bf16", **seen)
    Trainer("stage3", settings, False).run()
    found = averaged_model(tmp_path)
    assert all(torch.isfinite(v).all() for v in found.values())


def averaged_model(folder: Path) -> dict[str, torch.Tensor]:
    return load_frame_model(folder / "model").state_dict()


def averaged(folder: Path) -> torch.Tensor:
    return averaged_model(folder)["token_out.weight"]


def test_settings_that_exclude_each_other_are_named(pixart, samples, vae, tmp_path):
    with pytest.raises(InputError, match="both 'pixart' and 'start'"):
        Trainer("stage1", config(samples, tmp_path, pixart=str(pixart[1]), start="x"), False)
    wide = ModelConfig(NOISE_CHANNELS + 1, WIDTHS, 32, 2, 2)
    with pytest.raises(InputError, match="lower latent_channels"):
        Trainer("stage1", config(samples, tmp_path, model=wide), False)
    Trainer("stage1", config(samples, tmp_path / "1", vae=str(vae)), False).save()
    with pytest.raises(InputError, match="another model configuration"):
        Trainer("stage2", config(samples, tmp_path / "2", start=str(tmp_path / "1")), False)


def test_fewer_latent_channels_have_the_first_of_the_noise():
    camera = room_camera((0, -2.5, 0.2), (0, 1, -0.2), (8, 8))
    depth = torch.rand(8, 8) + 1
    every = world_noise(View(camera), depth, 3, NOISE_CHANNELS)
    assert torch.equal(world_noise(View(camera), depth, 3, 4), every[:4])

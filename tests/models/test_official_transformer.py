# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame model in the released layout: attention dispatch, precisions, saving, fp8."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch

from backend.models import attention as dispatch
from backend.models.acceleration import Fp8Linear, accelerate, quantize_blocks
from backend.models.attention import attention, available_attention, use_attention
from backend.models.autoencoder import Autoencoder
from backend.models.blocks import TimestepEmbedding, TransformerBlock, sincos_positions
from backend.models.official_layout import official_manifest, to_transformer, transformer_config
from backend.models.official_transformer import OfficialTransformer
from backend.models.run_options import RunOptions
from backend.shared.errors import InputError

SMALL = {"input_size": 8, "hidden_size": 48, "depth": 2, "num_heads": 2}


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture
def model():
    return OfficialTransformer(**transformer_config(SMALL)).eval().requires_grad_(False)


def latents(batch=1, height=4, width=6):
    return [torch.randn(batch, 4, height, width) for _ in range(3)]


def test_attention_is_softmax_of_products():
    q, k, v = torch.randn(2, 3, 4, 8), torch.randn(2, 3, 5, 8), torch.randn(2, 3, 5, 8)
    expected = torch.zeros(2, 3, 4, 8)
    for b in range(2):
        for h in range(3):
            for n in range(4):
                scores = [math.exp(float(q[b, h, n] @ k[b, h, m]) / math.sqrt(8)) for m in range(5)]
                for m in range(5):
                    expected[b, h, n] += scores[m] / sum(scores) * v[b, h, m]
    assert torch.allclose(attention(q, k, v), expected, atol=1e-5)


def test_attention_falls_back_to_sdpa_without_a_gpu_or_half_precision():
    assert dispatch.resolve_attention("cpu", torch.float16) == "sdpa"
    assert dispatch.resolve_attention("cuda", torch.float32) == "sdpa"
    assert "sdpa" in available_attention()


def test_attention_prefers_installed_libraries_on_cuda(monkeypatch):
    monkeypatch.setattr(dispatch, "_library", lambda name: name == "xformers" or None)
    assert dispatch.resolve_attention("cuda", torch.bfloat16) == "xformers"
    monkeypatch.setattr(dispatch, "_library", lambda name: object())
    assert dispatch.resolve_attention("cuda", torch.bfloat16) == "flash"


def test_unknown_or_absent_attention_is_refused():
    with pytest.raises(InputError, match="no attention"):
        use_attention("fast")
    if "flash" not in available_attention():
        with pytest.raises(InputError, match="needs a CUDA device"):
            use_attention("flash")


def test_positions_squeeze_the_joined_width():
    rows, columns, width, base = 3, 6, 16, 4
    codes = sincos_positions(rows, columns, width, base, interpolation=2.0)
    for row in range(rows):
        for column in range(columns):
            expected = []
            for place in (column * base / columns / 2, row * base / rows / 2):
                angles = [place * 10000 ** (-k / (width // 4)) for k in range(width // 4)]
                expected += [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
            np.testing.assert_allclose(codes[row * columns + column], expected, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_timesteps_are_told_apart_in_half_precision(dtype):
    """bfloat16 has no 999: cast too early it is 1000, and the embedding is another's."""
    embedder = TimestepEmbedding(32, layers=3).requires_grad_(False)
    full = embedder(torch.tensor([999]), torch.float32)
    other = embedder(torch.tensor([1000]), torch.float32)
    half = copy.deepcopy(embedder).to(dtype)(torch.tensor([999]), dtype).float()
    assert (half - full).abs().max() < 0.2 * (other - full).abs().max()


def test_a_block_asked_for_some_queries_gives_the_first_tokens_of_all():
    block = TransformerBlock(width=24, heads=2, mlp_ratio=2.0)
    x, rows = torch.randn(2, 9, 24), torch.randn(2, 6, 24)
    some, _ = block(x, rows, queries=3)
    everything, (keys, values) = block(x, rows)
    assert torch.allclose(some, everything[:, :3], atol=1e-6)
    assert keys.shape == values.shape == (2, 2, 9, 12)


def test_all_three_views_matter_and_are_told_apart(model):
    target, anchor, memory = latents()
    t = torch.tensor([999])
    base = model(target, anchor, memory, t)
    assert base.shape == target.shape
    for changed in (
        (target + 1, anchor, memory),
        (target, anchor + 1, memory),
        (target, anchor, memory + 1),
        (target, memory, anchor),
    ):
        assert (model(*changed, t) - base).abs().max() > 1e-4


def test_a_batch_is_its_members(model):
    batch = latents(batch=2)
    t = torch.tensor([999, 37])
    joint = model(*batch, t)
    for i in range(2):
        single = model(*(x[i : i + 1] for x in batch), t[i : i + 1])
        assert torch.allclose(joint[i : i + 1], single, atol=1e-5)


def test_the_variance_half_is_extra(model):
    batch = latents()
    t = torch.tensor([200])
    both = model(*batch, t, sigma=True)
    assert both.shape[1] == 8
    assert torch.equal(both[:, :4], model(*batch, t))


def test_save_and_load_give_the_same_model(model, tmp_path):
    model.save_pretrained(tmp_path)
    again = OfficialTransformer.from_pretrained(tmp_path).eval()
    saved, found = model.state_dict(), again.state_dict()
    assert saved.keys() == found.keys()
    assert all(torch.equal(saved[key], found[key]) for key in saved)
    batch = latents()
    t = torch.tensor([999])
    # weights lie elsewhere in memory, and matrix products round by where
    assert torch.allclose(again(*batch, t), model(*batch, t), atol=1e-6)
    assert (tmp_path / "diffusion_pytorch_model.safetensors").is_file()
    assert again.config.layers == 2 and again.config.position_base == 4


def test_positions_follow_the_precision(model):
    batch = latents()
    t = torch.tensor([999])
    full = model(*batch, t)
    half = model.bfloat16()(*batch, t)
    assert half.dtype == torch.bfloat16
    assert (half.float() - full).abs().max() < 0.1 * full.abs().max()


@pytest.mark.parametrize(
    "wrong",
    [
        {"depth": 0},
        {"depth": 2.5},
        {"hidden_size": "wide"},
        {"hidden_size": 50},
        {"in_channels": True},
    ],
)
def test_settings_that_make_no_transformer_are_refused(wrong):
    with pytest.raises(InputError):
        transformer_config(SMALL | wrong)


def test_reference_settings_decide_the_output_channels():
    for sigma, outputs in ((False, 20), (True, 40)):
        settings = SMALL | {"in_channels": 5, "pred_sigma": sigma}
        assert OfficialTransformer(**transformer_config(settings)).token_out.out_features == outputs
        assert official_manifest(settings)["final_layer.linear.bias"].shape == (outputs,)


def test_last_layers_rows_become_channel_major():
    """A file's row (y, x, c) of a 2 x 2 patch is what the network writes at c, y, x."""
    manifest = official_manifest(SMALL)
    weights = {key: torch.zeros(entry.shape) for key, entry in manifest.items()}
    weights["final_layer.linear.bias"] = torch.arange(32.0)
    model = OfficialTransformer(**transformer_config(SMALL))
    model.load_state_dict(to_transformer(weights, manifest, 2))
    output = model(*latents(), torch.tensor([999]), sigma=True)
    for channel in range(8):
        for y in range(4):
            for x in range(6):
                row = (y % 2) * 16 + (x % 2) * 8 + channel
                assert output[0, channel, y, x] == row


def test_fp8_keeps_every_row_within_its_rounding():
    layer = torch.nn.Linear(64, 32)
    layer.weight.data *= torch.logspace(-3, 3, 32)[:, None]  # rows of very different size
    small = Fp8Linear(layer)
    restored = small.weight.float() * small.scale
    worst = (restored - layer.weight).abs().amax(dim=1) / layer.weight.abs().amax(dim=1)
    assert small.weight.element_size() == 1
    assert worst.max() < 2**-4  # e4m3 keeps 3 bits behind the leading one


def test_fp8_does_not_overflow_in_half_precision():
    layer = torch.nn.Linear(64, 8)
    layer.weight.data.fill_(0.01)  # 8 bits hold it as 448 times a scale
    x = torch.full((1, 64), 32.0, dtype=torch.float16)
    assert Fp8Linear(layer.half())(x).sub(layer(x)).abs().max() < 0.1  # about 20


def test_fp8_blocks_stay_near_the_full_model(model):
    batch = latents()
    t = torch.tensor([999])
    full = model(*batch, t)
    quantize_blocks(model)
    error = (model(*batch, t) - full).abs().max() / full.abs().max()
    assert 0 < error < 0.1


def test_options_decide_for_the_device():
    cpu = torch.device("cpu")
    decided = RunOptions().decided(cpu)
    assert decided.compile is False and decided.cuda_graphs is False
    with pytest.raises(InputError, match="CUDA graphs"):
        RunOptions(cuda_graphs=True).decided(cpu)
    assert RunOptions().decided(torch.device("cuda")).cuda_graphs is True
    assert RunOptions(offload=True).decided(torch.device("cuda")).cuda_graphs is False


def test_offloaded_blocks_compute_the_same(model):
    from diffusers import AutoencoderKL

    batch = latents()
    t = torch.tensor([999])
    full = model(*batch, t)
    vae = Autoencoder.wrap(AutoencoderKL(block_out_channels=(8,), norm_num_groups=4))
    options = RunOptions(offload=True).decided(torch.device("cpu"))
    accelerate(model, vae, torch.device("cpu"), options)
    assert torch.allclose(model(*batch, t), full, atol=1e-6)

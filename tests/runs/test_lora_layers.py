"""Which layers of a LoRA file a model takes: sizes of every kind that core knows, and names that match nothing."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path

import comfy.lora
import pytest
import torch
from comfy.model_patcher import ModelPatcher
from deradiff.nodes.runs import loading
from safetensors.torch import save_file
from support import standins

Weights = dict[str, torch.Tensor]
LINEAR = "diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k"  # 320 out, 768 in
CONVOLUTION = "diffusion_model.out.2"  # 4 out, 320 in, 3 x 3
NORM = "diffusion_model.input_blocks.1.1.norm"  # 320
RANK = 4


@pytest.fixture(scope="module")
def unet() -> Weights:
    return {name: value.half() for name, value in standins.unet("sd15", 1).items()}


@pytest.fixture(scope="module")
def model(unet: Weights, tmp_path_factory: pytest.TempPathFactory) -> ModelPatcher:
    path = standins.save(unet, tmp_path_factory.mktemp("models") / "model.safetensors")
    return loading.load_diffusion(str(path), "reference")


def _random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def _lora(key: str, out: int, inner: int, *kernel: int) -> Weights:
    ones = (1,) * len(kernel)
    return {
        f"{key}.lora_up.weight": _random(out, RANK, *ones),
        f"{key}.lora_down.weight": _random(RANK, inner, *kernel),
    }


def _lora_with_mid(key: str, out: int, inner: int, *kernel: int) -> Weights:
    ones = (1,) * len(kernel)
    matrices = {f"{key}.lora_up.weight": (out, RANK, *ones), f"{key}.lora_down.weight": (RANK, inner, *ones)}
    matrices[f"{key}.lora_mid.weight"] = (RANK, RANK, *kernel)
    return {name: _random(*shape) for name, shape in matrices.items()}


def _dora(key: str, out: int, inner: int, *kernel: int) -> Weights:
    return {**_lora(key, out, inner, *kernel), f"{key}.dora_scale": _random(out, 1, *(1 for _ in kernel)).abs()}


def _loha(key: str, out: int, inner: int, *kernel: int) -> Weights:
    inner *= math.prod(kernel)
    halves = {"w1_a": (out, RANK), "w1_b": (RANK, inner), "w2_a": (out, RANK), "w2_b": (RANK, inner)}
    return {f"{key}.hada_{half}": _random(*shape) for half, shape in halves.items()}


def _lokr(key: str, out: int, inner: int, *kernel: int) -> Weights:
    return {f"{key}.lokr_w1": _random(4, 4), f"{key}.lokr_w2": _random(out // 4, inner // 4, *kernel)}


def _glora(key: str, out: int, inner: int) -> Weights:
    shapes = {"a1": (inner, RANK), "a2": (RANK, inner), "b1": (out, RANK), "b2": (RANK, inner)}
    return {f"{key}.{name}.weight": _random(*shape) for name, shape in shapes.items()}


def _oft(key: str, out: int, *_: int) -> Weights:
    return {f"{key}.oft_blocks": _random(out // 4, 4, 4), f"{key}.alpha": torch.tensor(0.5)}


def _boft(key: str, out: int, *_: int) -> Weights:
    return {f"{key}.oft_blocks": _random(1, out // 4, 4, 4), f"{key}.alpha": torch.tensor(0.5)}


def _diff(key: str, *shape: int) -> Weights:
    return {f"{key}.diff": _random(*shape)}


def _bias_diff(key: str, out: int, *_: int) -> Weights:
    return {f"{key}.diff_b": _random(out)}


def _set(key: str, *shape: int) -> Weights:
    return {f"{key}.set_weight": _random(*shape)}


def _norm(key: str, out: int) -> Weights:
    return {f"{key}.w_norm": _random(out), f"{key}.b_norm": _random(out)}


KINDS: list[tuple[str, Callable[..., Weights], str, tuple[int, ...], tuple[int, ...]]] = [
    ("LoRA", _lora, LINEAR, (320, 768), (320, 2048)),
    ("LoRA on a convolution", _lora, CONVOLUTION, (4, 320, 3, 3), (4, 320, 1, 1)),
    ("LoRA with a middle", _lora_with_mid, CONVOLUTION, (4, 320, 3, 3), (4, 640, 3, 3)),
    ("DoRA", _dora, LINEAR, (320, 768), (320, 2048)),
    ("DoRA on a convolution", _dora, CONVOLUTION, (4, 320, 3, 3), (4, 640, 3, 3)),
    ("LoHa", _loha, LINEAR, (320, 768), (320, 2048)),
    ("LoHa on a convolution", _loha, CONVOLUTION, (4, 320, 3, 3), (8, 320, 3, 3)),
    ("LoKr", _lokr, LINEAR, (320, 768), (320, 2048)),
    ("LoKr on a convolution", _lokr, CONVOLUTION, (4, 320, 3, 3), (4, 640, 3, 3)),
    ("GLoRA", _glora, LINEAR, (320, 768), (320, 2048)),
    ("OFT", _oft, LINEAR, (320, 768), (640, 768)),
    ("BOFT", _boft, LINEAR, (320, 768), (640, 768)),
    ("diff", _diff, LINEAR, (320, 768), (320, 2048)),
    ("diff of a bias", _bias_diff, CONVOLUTION, (4, 320, 3, 3), (8, 320, 3, 3)),
    ("set", _set, LINEAR, (320, 768), (320, 2048)),
    ("norm", _norm, NORM, (320,), (640,)),
]
every_kind = pytest.mark.parametrize(
    ("build", "key", "shape", "other"), [pytest.param(*rest, id=name) for name, *rest in KINDS]
)


def _written(weights: Weights, folder: Path, name: str = "it.safetensors") -> str:
    save_file({key: value.contiguous() for key, value in weights.items()}, folder / name)
    return str(folder / name)


@torch.inference_mode()
def _load(model: ModelPatcher, path: str, strength: float) -> ModelPatcher:
    """In inference mode, as ComfyUI runs its nodes."""
    return loading.load_lora(model, path, strength)


def _change(patched: ModelPatcher, key: str) -> torch.Tensor:
    """What core makes of the one weight (or bias) of the layer, less what it was. Zero where core leaves a patch out."""
    (name,) = [name for name in patched.patches if name.startswith(f"{key}.") and name.endswith("weight")] or [
        f"{key}.bias"
    ]
    before = patched.model.state_dict()[name].float()
    return comfy.lora.calculate_weight(patched.patches[name], before.clone(), name) - before


@every_kind
def test_a_layer_of_the_right_size_is_taken(
    build: Callable[..., Weights],
    key: str,
    shape: tuple[int, ...],
    other: tuple[int, ...],
    model: ModelPatcher,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    aligned = _load(model, _written(build(key, *shape), tmp_path), 1.0)
    assert bool(_change(aligned, key).abs().sum() > 0)
    assert not caplog.records


@every_kind
@pytest.mark.parametrize("level", [logging.WARNING, logging.CRITICAL])
def test_a_layer_of_another_size_is_refused(
    build: Callable[..., Weights],
    key: str,
    shape: tuple[int, ...],
    other: tuple[int, ...],
    level: int,
    model: ModelPatcher,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """However little the user has ComfyUI log."""
    caplog.set_level(level)
    with pytest.raises(ValueError) as raised:
        _load(model, _written(build(key, *other), tmp_path), 1.0)
    said = str(raised.value)
    assert said.startswith("lora: it.safetensors was trained on another kind of model: ")
    assert f"at {key}." in said and f"the model's weight is {shape}" in said.replace("(4,)", str(shape))
    assert said.endswith("Choose a LoRA for this model.")
    assert not caplog.records and model.patches == {}


def test_a_dora_scale_of_another_size_is_refused(model: ModelPatcher, tmp_path: Path) -> None:
    """The matrices fit, the magnitudes do not."""
    weights = {**_dora(LINEAR, 320, 768), f"{LINEAR}.dora_scale": _random(321, 1)}
    with pytest.raises(ValueError, match=r"another kind of model.*\(321, 1\)"):
        _load(model, _written(weights, tmp_path), 1.0)


def test_the_number_of_layers_of_another_size_is_said(model: ModelPatcher, unet: Weights, tmp_path: Path) -> None:
    weights = {**standins.lora(unet, 2, only="attn"), **_loha(LINEAR, 320, 2048)}
    for suffix in ("lora_up.weight", "lora_down.weight", "alpha"):
        weights.pop(f"{LINEAR}.{suffix}")
    layers = sum(name.endswith(("lora_up.weight", "hada_w1_a")) for name in weights)
    with pytest.raises(ValueError, match=f"the sizes of 1 of its {layers} layers are not"):
        _load(model, _written(weights, tmp_path), 1.0)


def test_a_size_is_checked_at_strength_0_too(model: ModelPatcher, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="another kind of model"):
        _load(model, _written(_diff(LINEAR, 320, 2048), tmp_path), 0.0)


def _renamed(weights: Weights, start: str) -> Weights:
    """The same LoRA for layers that the model does not have."""
    return {
        f"diffusion_model.{start}_{name.removeprefix('diffusion_model.')}": value for name, value in weights.items()
    }


def _layers(weights: Weights) -> int:
    return sum(name.endswith("lora_up.weight") for name in weights)


def _text_encoder() -> Weights:
    names = ("lora_te_text_model_encoder_layers_0_mlp_fc1", "lora_te1_text_model_encoder_layers_0_self_attn_q_proj")
    return {key: value for name in names for key, value in _lora(name, 768, 768).items()}


@pytest.mark.parametrize("extra", [{}, _text_encoder()], ids=["alone", "with a text encoder"])
def test_layers_that_match_nothing_are_counted(
    extra: Weights, model: ModelPatcher, unet: Weights, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own, foreign = standins.lora(unet, 2, only="attn2"), _renamed(standins.lora(unet, 3, only="attn1"), "other")
    _load(model, _written({**own, **foreign, **extra}, tmp_path), 1.0)
    (said,) = [record.getMessage() for record in caplog.records if record.name != "root"]
    assert said.startswith(
        f"lora: {_layers(own)} of {_layers(own) + _layers(foreign)} layers of it.safetensors apply to this model"
    )
    assert "diffusion_model.other_" in said and "lora_te" not in said
    assert said.endswith("Choose a LoRA that was trained on this model.")


def test_a_text_encoder_part_is_no_missing_layer(
    model: ModelPatcher, unet: Weights, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _load(model, _written({**standins.lora(unet, 2, only="attn2"), **_text_encoder()}, tmp_path), 1.0)
    assert not [record for record in caplog.records if record.name != "root"]


def test_a_lora_none_of_whose_layers_applies(model: ModelPatcher, unet: Weights, tmp_path: Path) -> None:
    foreign = _renamed(standins.lora(unet, 3, only="attn1"), "other")
    with pytest.raises(ValueError) as raised:
        _load(model, _written({**foreign, **_text_encoder()}, tmp_path), 1.0)
    assert str(raised.value) == (
        f"lora: expected a LoRA for SD15, but none of the {_layers(foreign)} layers of it.safetensors applies to this model "
        "(for example diffusion_model.other_input_blocks.1.1.transformer_blocks.0.attn1.to_k). "
        "Choose a LoRA that was trained on this kind of model."
    )


def test_a_lora_for_a_text_encoder_alone(model: ModelPatcher, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"lora: expected a LoRA for SD15, but it.safetensors holds layers of a text enc"
    ):
        _load(model, _written(_text_encoder(), tmp_path), 1.0)


def test_a_kind_none_of_whose_layers_applies(model: ModelPatcher, unet: Weights, tmp_path: Path) -> None:
    own, foreign = standins.lora(unet, 2, only="attn2"), _renamed(_loha(LINEAR, 320, 768), "other")
    with pytest.raises(ValueError) as raised:
        _load(model, _written({**own, **foreign}, tmp_path), 1.0)
    assert "none of the 1 LoHa layers of it.safetensors applies to this model" in str(raised.value)
    assert f"{_layers(own)} of its {_layers(own) + 1} layers do" in str(raised.value)


def test_tensors_of_a_form_that_core_does_not_read_are_said(
    model: ModelPatcher, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As PEFT saves DoRA: core takes the matrices and leaves the magnitudes."""
    weights = {**_lora(LINEAR, 320, 768), f"{LINEAR}.lora_magnitude_vector.weight": _random(320)}
    _load(model, _written(weights, tmp_path), 1.0)
    (said,) = [record.getMessage() for record in caplog.records if record.name != "root"]
    assert said.startswith(
        f"lora: ComfyUI does not read 1 tensor of it.safetensors ({LINEAR}.lora_magnitude_vector.weight"
    )


NOT_WHOLE: dict[str, tuple[Weights, str]] = {
    "up without down": ({f"{LINEAR}.lora_up.weight": _random(320, RANK)}, f"it has no {LINEAR}.lora_down.weight"),
    "rank 0": (
        {f"{LINEAR}.lora_up.weight": _random(320, 0), f"{LINEAR}.lora_down.weight": _random(0, 768)},
        f"{LINEAR}.lora_down.weight is empty, (0, 768)",
    ),
    "alpha a vector": ({f"{LINEAR}.alpha": torch.ones(3)}, f"{LINEAR}.alpha is of shape (3,), not one finite number"),
    "alpha empty": ({f"{LINEAR}.alpha": torch.ones(0)}, f"{LINEAR}.alpha is of shape (0,), not one finite number"),
    "alpha NaN": ({f"{LINEAR}.alpha": torch.tensor(math.nan)}, f"{LINEAR}.alpha is nan, not one finite number"),
}


@pytest.mark.parametrize("case", NOT_WHOLE)
def test_a_layer_that_is_not_whole_is_named(case: str, model: ModelPatcher, tmp_path: Path) -> None:
    changes, says = NOT_WHOLE[case]
    weights = changes if case == "up without down" else {**_lora(LINEAR, 320, 768), **changes}
    with pytest.raises(ValueError) as raised:
        _load(model, _written(weights, tmp_path), 1.0)
    assert str(raised.value) == (
        f"lora: it.safetensors is damaged or incomplete: {says}. Download it again, or choose another LoRA."
    )


@pytest.mark.parametrize("alpha", [torch.tensor(2.0), torch.full((1,), 2.0), torch.full((1, 1), 2.0)])
def test_an_alpha_of_one_number_is_taken_in_any_shape(alpha: torch.Tensor, model: ModelPatcher, tmp_path: Path) -> None:
    aligned = _load(model, _written({**_lora(LINEAR, 320, 768), f"{LINEAR}.alpha": alpha}, tmp_path), 1.0)
    assert aligned is not None


@pytest.mark.parametrize("strength", [math.nan, math.inf, 20.01, -21, 1e30, "1", None, True])
def test_a_strength_out_of_the_node_s_limits(strength: object, model: ModelPatcher, tmp_path: Path) -> None:
    with pytest.raises(ValueError) as raised:
        _load(model, _written(_lora(LINEAR, 320, 768), tmp_path), strength)  # type: ignore[arg-type]
    assert str(raised.value) == (
        f"strength must be a number from -20 to 20, got {strength!r}. Normally it is 1; use lambda to weaken the alignment."
    )

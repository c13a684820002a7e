"""Pairs on one module: LoRA in the forward pass over one copy of the weights, and a copy where LoRA is not enough."""

from __future__ import annotations

import gc
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from comfy.model_patcher import ModelPatcher
from comfy.weight_adapter import LoRAAdapter
from comfy_extras.nodes_model_merging import ModelMergeSimple
from support import engine
from support.engine import ROUNDING, Pair, Weights, Zoo
from torch._subclasses.fake_tensor import FakeTensor

pytestmark = pytest.mark.usefixtures("as_in_comfyui")

CONV = "diffusion_model.input_blocks.1.0.in_layers.2"
LINEAR = "diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_q"
QKV = "diffusion_model.joint_blocks.0.x_block.attn.qkv.weight"
Loras = Sequence[tuple[Path | Weights, float]]


def _with(model: ModelPatcher, loras: Loras) -> ModelPatcher:
    for lora, strength in loras:
        model = engine.with_lora(model, lora, strength)
    return model


def _random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def copies(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What the log says about independent copies since the test began."""
    caplog.set_level(logging.INFO, logger="deradiff")
    return lambda: [record.getMessage() for record in caplog.records if "independent copy" in record.getMessage()]


def _check(
    pair: Pair, fresh: tuple[ModelPatcher, ModelPatcher], weights: Sequence[float] = (0.4, 1.5), shift: float = 1e-3
) -> None:
    """The pair against core at both ends, and against the hand-written loop over two fresh modules elsewhere."""
    reference, merged = (engine.by_core(model, pair.task) for model in (pair.reference, pair.aligned))
    assert engine.difference(merged, reference) > shift
    assert torch.equal(engine.by_us(pair.reference, pair.aligned, 0.0, pair.task), reference)
    assert engine.difference(engine.by_us(pair.reference, pair.aligned, 1.0, pair.task), merged) < ROUNDING
    for weight in weights:
        expected = engine.by_hand(fresh, [1 - weight, weight], pair.task)
        ours = engine.by_us(pair.reference, pair.aligned, weight, pair.task)
        assert engine.difference(ours, expected) < ROUNDING
    assert torch.equal(engine.by_core(pair.reference, pair.task), reference)


@dataclass(frozen=True)
class Case:
    """LoRAs by (name, strength) on the reference and on the aligned model; `on_reference` puts the latter on top of the former."""

    reference: Sequence[tuple[str, float]]
    aligned: Sequence[tuple[str, float]]
    on_reference: bool = False


LORAS: dict[str, dict[str, object]] = {
    "A": {"seed": 3},
    "B": {"seed": 4, "rank": 2, "alpha": 1.0},
    "no alpha": {"seed": 5, "alpha": None},
    "rank 1": {"seed": 6, "rank": 1},
    "attention": {"seed": 7, "only": "attn"},
    "convolutions": {"seed": 8, "only": "in_layers.2"},
}
CASES = {
    "alpha": Case([], [("A", 1.0)]),
    "no alpha": Case([], [("no alpha", 0.7)]),
    "rank 1": Case([], [("rank 1", 1.0)]),
    "only Linear": Case([], [("attention", 1.0)]),
    "only convolutions": Case([], [("convolutions", 1.0)]),
    "strong": Case([], [("A", 1.7)]),
    "negative": Case([], [("A", -0.8)]),
    "two on the aligned": Case([], [("A", 0.6), ("B", 0.9)]),
    "style on both": Case([("A", 0.8)], [("B", 1.0)], on_reference=True),
    "style on the reference alone": Case([("A", 0.8)], [("B", 1.0)]),
    "only the reference has one": Case([("A", 1.0)], []),
    "one at two strengths": Case([("A", 0.5)], [("A", 1.2)]),
    "style loaded twice": Case([("A", 0.8)], [("A", 0.8), ("B", 1.0)]),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_lora_in_the_forward_pass(zoo: Zoo, sd15: Pair, copies: Callable[[], list[str]], case: Case) -> None:
    def named(loras: Sequence[tuple[str, float]]) -> Loras:
        return [(zoo.lora_path("sd15", **LORAS[name]), strength) for name, strength in loras]

    base = sd15.reference
    reference = _with(base, named(case.reference))
    aligned = _with(reference if case.on_reference else base, named(case.aligned))
    below = case.reference if case.on_reference else []
    fresh = (_with(zoo.load("sd15"), named(case.reference)), _with(zoo.load("sd15"), named([*below, *case.aligned])))
    _check(Pair(reference, aligned, sd15.task), fresh)
    assert copies() == []


def test_locon_with_middle_weights(zoo: Zoo, sd15: Pair, copies: Callable[[], list[str]]) -> None:
    out, inner = zoo.weights("sd15")[CONV.removeprefix("diffusion_model.") + ".weight"].shape[:2]
    lora = {
        f"{CONV}.lora_up.weight": _random(out, 4, 1, 1, seed=1) * 0.05,
        f"{CONV}.lora_mid.weight": _random(4, 4, 3, 3, seed=2) * 0.3,
        f"{CONV}.lora_down.weight": _random(4, inner, 1, 1, seed=3) * 0.1,
        f"{CONV}.alpha": torch.tensor(3.0),
    }
    _check(
        Pair(sd15.reference, _with(sd15.reference, [(lora, 1.0)]), sd15.task),
        (sd15.reference, _with(zoo.load("sd15"), [(lora, 1.0)])),
    )
    assert copies() == []


def _diffusers_lora(width: int = 192, blocks: int = 3, rank: int = 4) -> Weights:
    """A LoRA as diffusers saves it for SD3: separate q, k and v of what core keeps as one matrix."""
    made = {}
    names = ["to_q", "to_k", "to_v", "add_q_proj", "add_k_proj", "add_v_proj"]
    for index in range(blocks):
        for place, name in enumerate(names):
            key = f"transformer.transformer_blocks.{index}.attn.{name}"
            made[f"{key}.lora_A.weight"] = _random(rank, width, seed=place)
            made[f"{key}.lora_B.weight"] = _random(width, rank, seed=place + 10) * 0.3 / math.sqrt(width)
    return made


def test_fused_projections(zoo: Zoo, sd3: Pair, copies: Callable[[], list[str]]) -> None:
    loras = [(_diffusers_lora(), 0.9), (zoo.lora_path("sd3", 3), 0.5)]
    aligned = _with(sd3.reference, loras)
    offsets = {patch[3] for patch in aligned.patches[QKV]}
    assert offsets == {(0, 0, 192), (0, 192, 192), (0, 384, 192), None}
    _check(Pair(sd3.reference, aligned, sd3.task), (sd3.reference, _with(zoo.load("sd3"), loras)))
    assert copies() == []


def _sliced(model: ModelPatcher, key: str, offset: tuple[int, int, int]) -> ModelPatcher:
    """The model with a LoRA on a slice of one weight, as core's key maps describe slices."""
    shape = list(model.model.state_dict()[key].shape)
    shape[offset[0]] = offset[2]
    up, down = _random(shape[0], 4, seed=1) * 0.2, _random(4, math.prod(shape[1:]), seed=2) / math.sqrt(shape[1])
    clone = model.clone()
    assert clone.add_patches({(key, offset): LoRAAdapter(set(), (up, down, 4.0, None, None, None))})
    return clone


@pytest.mark.parametrize("key", [f"{CONV}.weight", f"{LINEAR}.weight"], ids=["convolution", "Linear"])
@pytest.mark.parametrize("offset", [(0, 64, 128), (1, 32, 96)], ids=["of the output", "of the input"])
def test_slices(zoo: Zoo, sd15: Pair, copies: Callable[[], list[str]], key: str, offset: tuple[int, int, int]) -> None:
    fresh = (sd15.reference, _sliced(zoo.load("sd15"), key, offset))
    _check(Pair(sd15.reference, _sliced(sd15.reference, key, offset), sd15.task), fresh, weights=[0.4], shift=1e-4)
    assert copies() == []


def _loha(shape: torch.Size) -> Weights:
    rank, inner = 2, shape[1:].numel()
    factors = {"w1_a": (shape[0], rank), "w1_b": (rank, inner), "w2_a": (shape[0], rank), "w2_b": (rank, inner)}
    return {f"hada_{name}": _random(*size, seed=place) * 0.2 for place, (name, size) in enumerate(factors.items())}


def _lokr(shape: torch.Size) -> Weights:
    return {"lokr_w1": _random(8, 8, seed=1) * 0.3, "lokr_w2": _random(shape[0] // 8, shape[1:].numel() // 8) * 0.05}


def _dora(shape: torch.Size) -> Weights:
    return {
        "lora_up.weight": _random(shape[0], 4, seed=1) * 0.1,
        "lora_down.weight": _random(4, shape[1], seed=2) * 0.1,
        "dora_scale": 1 + 0.3 * _random(shape[0], 1, seed=3).abs(),
    }


def _full(shape: torch.Size) -> Weights:
    return {"diff": _random(*shape) * 0.03}


def _bias(shape: torch.Size) -> Weights:
    return {**_full(shape), "diff_b": _random(shape[0]) * 0.5}


BEYOND_LORA = {
    "LoHa": (LINEAR, _loha),
    "LoKr": (LINEAR, _lokr),
    "DoRA": (LINEAR, _dora),
    "difference": (LINEAR, _full),
    "bias": (CONV, _bias),
}


@pytest.mark.parametrize(("key", "make"), BEYOND_LORA.values(), ids=BEYOND_LORA.keys())
def test_more_than_lora_runs_on_a_copy(
    zoo: Zoo,
    sd15: Pair,
    copies: Callable[[], list[str]],
    key: str,
    make: Callable[[torch.Size], Weights],
) -> None:
    shape = zoo.weights("sd15")[key.removeprefix("diffusion_model.") + ".weight"].shape
    patch = {f"{key}.{name}": value for name, value in make(shape).items()}
    loras: Loras = [(patch, 1.0), (zoo.lora_path("sd15", 3), 0.5)]
    aligned = _with(sd15.reference, loras)
    assert len(aligned.patches[f"{key}.weight"]) == 2
    _check(Pair(sd15.reference, aligned, sd15.task), (sd15.reference, _with(zoo.load("sd15"), loras)), weights=[0.4])
    assert copies() and all("2x memory" in line for line in copies())
    _assert_untouched(sd15.reference, zoo.weights("sd15"))


def test_merge_runs_on_a_copy(zoo: Zoo, sd15: Pair, copies: Callable[[], list[str]]) -> None:
    merge = ModelMergeSimple().merge
    aligned = merge(sd15.reference, sd15.aligned, 0.3)[0]
    fresh = (sd15.reference, merge(zoo.load("sd15"), sd15.aligned, 0.3)[0])
    _check(Pair(sd15.reference, aligned, sd15.task), fresh, weights=[0.4])
    assert copies()
    _assert_untouched(sd15.reference, zoo.weights("sd15"))


def _assert_untouched(model: ModelPatcher, weights: Weights) -> None:
    """The module's weights are those of its file once core has unloaded it."""
    model.detach()
    for name, value in model.model.diffusion_model.state_dict().items():
        assert torch.equal(value, weights[name].half().float()), name


def test_copy_is_made_once(zoo: Zoo, sd15: Pair) -> None:
    """Realigning the same MODEL again takes no more memory."""
    reference = zoo.load("sd15")
    aligned = _with(reference, [({f"{LINEAR}.diff": _random(320, 320) * 0.03}, 1.0)])
    engine.by_us(reference, aligned, 0.5, sd15.task)
    before = _live_bytes()
    engine.by_us(reference, aligned, 0.7, sd15.task)
    assert _live_bytes() <= before * 1.01


def _live_bytes() -> int:
    """Bytes of all tensors that are alive, each storage counted once."""
    gc.collect()
    # Fake tensors, which torch.compile leaves behind, own no memory.
    tensors = [
        value for value in gc.get_objects() if issubclass(type(value), torch.Tensor) and type(value) is not FakeTensor
    ]
    storages = {value.untyped_storage().data_ptr(): value.untyped_storage().nbytes() for value in tensors}
    return sum(storages.values())


def test_one_copy_of_the_weights(zoo: Zoo, sd15: Pair) -> None:
    """While both models are evaluated no more is alive than the reference, the LoRA and 2 %.

    Beside what one model holds for as many rows: both models' rows go through the network together.
    """
    reference = zoo.load("sd15")
    weights = sum(value.nbytes for value in reference.model.state_dict().values())
    path = zoo.lora_path("sd15", 3)
    last, during = reference.model.diffusion_model.out[2], []
    handle = last.register_forward_pre_hook(lambda *_: during.append(_live_bytes()))
    engine.by_core(reference, replace(sd15.task, latent=engine.empty_latent("sd15", 2)))
    before = max(during)
    assert before >= weights
    during.clear()
    aligned = engine.lora_pair(reference, path)
    engine.by_us(reference, aligned, 0.5, sd15.task)
    handle.remove()
    assert len(during) == sd15.task.steps  # one pass for both
    assert max(during) - before <= path.stat().st_size + 0.02 * weights
    assert path.stat().st_size < 0.2 * weights

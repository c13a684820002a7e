"""What bad input gets: one ValueError in the user's words, before sampling, and nothing printed.
Everything goes through the nodes and core's real loaders.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import comfy.samplers
import folder_paths
import pytest
import torch
from comfy.model_patcher import ModelPatcher
from deradiff.nodes import lambda_from_beta, lambda_schedule, load, realign, sample
from deradiff.nodes.runs import loading
from support import shaped, standins, wrong_files

NODES = [realign.DeRaDiffRealign, sample.DeRaDiffKSampler, sample.DeRaDiffKSamplerAdvanced]
FOLDERS = ("checkpoints", "diffusion_models", "loras")


@dataclass
class Models:
    """One model of each family, and how often any of them was evaluated."""

    sd15: ModelPatcher
    other: ModelPatcher
    sdxl: ModelPatcher
    sd3: ModelPatcher
    inpainting: ModelPatcher
    evaluations: int = 0

    def __post_init__(self) -> None:
        for model in (self.sd15, self.other, self.sdxl, self.sd3, self.inpainting):
            model.model.diffusion_model.register_forward_pre_hook(self._count)

    def _count(self, *_: object) -> None:
        self.evaluations += 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that ComfyUI takes for all its model folders: good models and every kind of wrong file."""
    root = tmp_path_factory.mktemp("my models")
    unet = standins.unet("sd15", 1)
    wrong_files.write_wrong_files(root, unet)
    standins.save(unet, root / "good.safetensors", standins.CHECKPOINT_PREFIX)
    standins.save(standins.unet("sd15", 2, base=unet), root / "other.safetensors")
    standins.save(wrong_files.inpainting(unet), root / "inpainting.safetensors")
    standins.save(standins.unet("sdxl", 3, sizes=wrong_files.SDXL_CLASS), root / "sdxl.safetensors")
    standins.save(standins.mmdit(4), root / "sd3.safetensors", standins.CHECKPOINT_PREFIX)
    patch = pytest.MonkeyPatch()
    for name in FOLDERS:
        patch.setitem(folder_paths.folder_names_and_paths, name, ([str(root)], {".safetensors", ".ckpt"}))
    yield root
    patch.undo()


@pytest.fixture(scope="module")
def models(folder: Path) -> Models:
    names = ("good", "other", "sdxl", "sd3", "inpainting")
    return Models(*(loading.load_diffusion(str(folder / f"{name}.safetensors"), "aligned") for name in names))


def _refusal(call: Callable[[], object], capfd: pytest.CaptureFixture[str]) -> str:
    """The words of the one ValueError that the call must raise, with nothing printed."""
    capfd.readouterr()
    with pytest.raises(ValueError) as raised:
        call()
    assert type(raised.value) is ValueError
    assert capfd.readouterr() == ("", "")
    return str(raised.value)


def _task(width: int = 768, **changes: object) -> dict[str, object]:
    """Everything that a KSampler node needs besides its models, for one step."""
    prompt = [[torch.ones(1, 4, width), {}]]
    settings: dict[str, object] = {"steps": 1, "cfg": 1.0, "sampler_name": "euler", "scheduler": "normal"}
    settings |= {"positive": prompt, "negative": prompt, "latent_image": {"samples": torch.zeros(1, 4, 8, 8)}}
    return {**settings, **changes}


def _run(node: type, reference: ModelPatcher, aligned: ModelPatcher, weight: object = 0.5, **changes: object) -> object:
    """Execute one of the three realigning nodes."""
    inputs: dict[str, object] = {"lambda": weight, "evaluation": "exact"}
    if node is sample.DeRaDiffKSampler:
        inputs |= _task(seed=0, denoise=1.0)
    elif node is sample.DeRaDiffKSamplerAdvanced:
        inputs |= _task(noise_seed=0, add_noise="enable", start_at_step=0, end_at_step=10000)
        inputs |= {"return_with_leftover_noise": "disable"}
    return node.execute(reference=reference, aligned=aligned, **{**inputs, **changes})


def _load(node: type, socket: str, file: str) -> None:
    """Execute a loader with a wrong file at one socket and a good one at the other."""
    inputs = {"reference": "good.safetensors", "aligned": "good.safetensors", socket: file}
    if node is load.DeRaDiffLoadDiffusionPair:
        inputs["weight_dtype"] = "default"
    node.execute(**inputs)


SOCKETS = [
    (load.DeRaDiffLoadCheckpointPair, "reference", "checkpoint"),
    (load.DeRaDiffLoadCheckpointPair, "aligned", "diffusion model"),
    (load.DeRaDiffLoadDiffusionPair, "reference", "diffusion model"),
    (load.DeRaDiffLoadDiffusionPair, "aligned", "diffusion model"),
]
WRONG_KINDS = [
    ("clip.safetensors", "a text encoder"),
    ("vae.safetensors", "a VAE"),
    ("foreign_lora.safetensors", "a LoRA"),
    ("no_tensors.safetensors", "something else"),
]
DAMAGED = ["truncated.safetensors", "empty.safetensors", "page.safetensors", "empty.ckpt", "damaged.ckpt"]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("node", "socket", "expected"), SOCKETS)
@pytest.mark.parametrize(("file", "came"), WRONG_KINDS)
def test_a_file_of_another_kind(
    node: type, socket: str, expected: str, file: str, came: str, capfd: pytest.CaptureFixture[str]
) -> None:
    said = _refusal(lambda: _load(node, socket, file), capfd)
    assert (
        said
        == f"{socket}: expected a {expected}, but {file} holds {came}. Choose a {expected} that this ComfyUI can load."
    )


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("node", "socket", "expected"), SOCKETS)
@pytest.mark.parametrize("file", DAMAGED)
def test_a_damaged_file(node: type, socket: str, expected: str, file: str, capfd: pytest.CaptureFixture[str]) -> None:
    said = _refusal(lambda: _load(node, socket, file), capfd)
    assert said.startswith(
        f"{socket}: expected a {expected}, but {file} cannot be read, it is empty, incomplete or damaged ("
    )
    assert said.endswith("Download it again, or choose another file.")
    assert "\n" not in said


SOMETHING_ELSE = {
    "list": [1, 2],
    "tensor": torch.ones(3),
    "nothing": None,
    "text": "x",
    "number": 5,
    "numbers": {"a": 1},
    "state of nothing": {"state_dict": None},
    "state of a list": {"state_dict": [1]},
    "state of text": {"state_dict": "x"},
    "numbered": {1: torch.ones(2)},
    "words": {"model.diffusion_model.x": "y"},
}


@pytest.mark.parametrize("what", SOMETHING_ELSE)
def test_a_pickle_that_holds_something_else(
    what: str, folder: Path, models: Models, capfd: pytest.CaptureFixture[str]
) -> None:
    file = "pickle.ckpt"
    torch.save(SOMETHING_ELSE[what], folder / file)
    for node, socket, expected in SOCKETS:
        said = _refusal(lambda: _load(node, socket, file), capfd)  # noqa: B023
        assert said.startswith(f"{socket}: expected a {expected}, but {file} holds something else. Choose a {expected}")
    said = _refusal(lambda: load.DeRaDiffLoadLoraPair.execute(models.sd15, file, 1.0), capfd)
    assert said.startswith(f"lora: expected a LoRA, but {file} holds something else. Choose a LoRA")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "name", ["none.safetensors", "", "../good.safetensors.", 5, None, ["good.safetensors"], {"a": 1}]
)
def test_a_name_of_no_file(name: object, models: Models, capfd: pytest.CaptureFixture[str]) -> None:
    loaded = models.evaluations
    for node, socket, _ in SOCKETS:
        said = _refusal(lambda: _load(node, socket, name), capfd)  # type: ignore[arg-type] # noqa: B023
        assert said.startswith(f"{socket}: ") and f"holds {name!r}." in said.replace("holds no ", "holds ")
        assert said.endswith("Choose a file from the list, or put it there.")
    said = _refusal(lambda: load.DeRaDiffLoadLoraPair.execute(models.sd15, name, 1.0), capfd)  # type: ignore[arg-type]
    assert said == f"lora: models/loras holds no {name!r}. Choose a file from the list, or put it there."
    assert models.evaluations == loaded


@pytest.mark.parametrize(
    ("socket", "value", "says"),
    [
        ("denoise", math.nan, "denoise must be a number from 0 to 1, got nan."),
        ("denoise", -0.1, "denoise must be a number from 0 to 1, got -0.1."),
        ("denoise", 1.5, "denoise must be a number from 0 to 1, got 1.5."),
        ("denoise", 1e-9, "denoise must be 0 or at least 0.0001, got 1e-09"),
        ("cfg", math.nan, "cfg must be a number from 0 to 100, got nan."),
        ("cfg", math.inf, "cfg must be a number from 0 to 100, got inf."),
        ("cfg", "7", "cfg must be a number from 0 to 100, got '7'."),
        ("steps", 0, "steps must be a whole number from 1 to 10000, got 0."),
        ("steps", 1.5, "steps must be a whole number from 1 to 10000, got 1.5."),
        ("steps", None, "steps must be a whole number from 1 to 10000, got None."),
        ("seed", 0.5, "seed must be a whole number from -9223372036854775808 to 18446744073709551615, got 0.5."),
        ("seed", 2**64, "seed must be a whole number from -9223372036854775808 to 18446744073709551615, got 18446"),
        (
            "reference",
            "a.safetensors",
            "reference: expected a MODEL, got 'a.safetensors'. Connect the output of a node",
        ),
        ("aligned", None, "aligned: expected a MODEL, got None."),
        ("positive", 5, "positive: expected a CONDITIONING, got 5."),
        ("latent_image", {"a": 1}, "latent_image: expected a LATENT, got {'a': 1}."),
        ("schedule", 1.0, "schedule: expected a LAMBDA_SCHEDULE, got 1.0."),
        ("mask", "m", "mask: expected a MASK, got 'm'."),
    ],
)
def test_values_that_no_widget_and_no_link_gives(
    socket: str, value: object, says: str, models: Models, capfd: pytest.CaptureFixture[str]
) -> None:
    before = models.evaluations
    inputs: dict[str, object] = {"reference": models.sd15, "aligned": models.other, socket: value}
    said = _refusal(lambda: _run(sample.DeRaDiffKSampler, **inputs), capfd)  # type: ignore[arg-type]
    assert said.startswith(says)
    assert models.evaluations == before


def test_the_largest_seed_is_one(models: Models) -> None:
    assert _run(sample.DeRaDiffKSampler, models.sd15, models.other, seed=2**64 - 1) is not None


@pytest.mark.parametrize("file", DAMAGED)
def test_a_damaged_lora(models: Models, file: str, capfd: pytest.CaptureFixture[str]) -> None:
    said = _refusal(lambda: load.DeRaDiffLoadLoraPair.execute(models.sd15, file, 1.0), capfd)
    assert said.startswith(f"lora: expected a LoRA, but {file} cannot be read, it is empty, incomplete or damaged (")
    assert said.endswith("Download it again, or choose another file.")


def test_a_lora_that_matches_no_layer(models: Models, capfd: pytest.CaptureFixture[str]) -> None:
    file = "foreign_lora.safetensors"
    said = _refusal(lambda: load.DeRaDiffLoadLoraPair.execute(models.sd15, file, 1.0), capfd)
    assert said == (
        "lora: expected a LoRA for SD15, but none of the 1 layers of foreign_lora.safetensors applies to this model "
        "(for example base.block_7). Choose a LoRA that was trained on this kind of model."
    )


@pytest.mark.parametrize("file", ["no_tensors.safetensors", "clip.safetensors", "good.safetensors"])
def test_a_lora_that_matches_no_key(models: Models, file: str, capfd: pytest.CaptureFixture[str]) -> None:
    said = _refusal(lambda: load.DeRaDiffLoadLoraPair.execute(models.sd15, file, 1.0), capfd)
    assert said == (
        f"lora: expected a LoRA for SD15, but no key of {file} matches the model. "
        "Choose a LoRA that was trained on this kind of model."
    )


def test_a_lora_of_another_model(models: Models, capfd: pytest.CaptureFixture[str]) -> None:
    before = dict(models.sd15.patches)
    said = _refusal(lambda: load.DeRaDiffLoadLoraPair.execute(models.sd15, "sdxl_lora.safetensors", 1.0), capfd)
    for words in ("lora: ", "sdxl_lora.safetensors was trained on another kind of model", "attn2.to_k.weight"):
        assert words in said
    assert "the sizes of 1 of its 1 layers are not the model's" in said
    assert "(320, 4), (4, 2048), the model's weight is (320, 768)" in said
    assert said.endswith("Choose a LoRA for this model.")
    assert models.sd15.patches == before


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ("sd15", "sdxl", ("The reference is SD15 but the aligned model is ", "context_dim 768 and 2048")),
        ("sdxl", "sd15", (" but the aligned model is SD15", "context_dim 2048 and 768")),
        ("sd15", "sd3", ("The reference is SD15 but the aligned model is SD3", "latent channels 4 and 16")),
        ("sd3", "sd15", ("The reference is SD3 but the aligned model is SD15", "latent channels 16 and 4")),
        (
            "sd15",
            "inpainting",
            ("The reference is SD15 and so is the aligned model, but they differ (in_channels 4 and 9)",),
        ),
    ],
)
def test_models_that_are_no_pair(
    node: type, first: str, second: str, words: tuple[str, ...], models: Models, capfd: pytest.CaptureFixture[str]
) -> None:
    before = models.evaluations
    said = _refusal(lambda: _run(node, getattr(models, first), getattr(models, second)), capfd)
    for expected in words:
        assert expected in said
    assert said.endswith("Load an aligned model that was fine-tuned from the reference.")
    assert models.evaluations == before


@pytest.mark.parametrize("node", NODES)
def test_a_realigned_model_on_the_aligned_socket(node: type, models: Models, capfd: pytest.CaptureFixture[str]) -> None:
    realigned = shaped.realigned(models.sd15, models.other, 0.5)
    before = models.evaluations
    said = _refusal(lambda: _run(node, models.sd15, realigned), capfd)
    assert said == (
        "The aligned input is a realigned MODEL already. To combine several aligned models, connect the realigned MODEL to "
        "the reference input and the next aligned model to the aligned input."
    )
    assert models.evaluations == before


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -3.01, -4, 3.01, 1e20, 1e38, True, "0.5", None])
def test_lambda(node: type, value: object, models: Models, capfd: pytest.CaptureFixture[str]) -> None:
    before = models.evaluations
    said = _refusal(lambda: _run(node, models.sd15, models.other, value), capfd)
    assert said == (
        f"lambda must be a number from -3 to 3, got {value!r}. Use 0 for the reference, 1 for the aligned model as trained, "
        "something in between to regularise it more, below 0 to move away from it."
    )
    assert models.evaluations == before


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize("value", [2.0, -2.0])
def test_lambda_times_a_schedule(node: type, value: float, models: Models, capfd: pytest.CaptureFixture[str]) -> None:
    curve = "[[0, 0], [0.5, 2], [1, 2]]"
    whole, early = (lambda_schedule.DeRaDiffLambdaSchedule.execute(curve, "linear", 0.0, end)[0] for end in (1.0, 0.25))
    said = _refusal(lambda: _run(node, models.sd15, models.other, value, schedule=whole), capfd)
    assert said == (
        f"lambda * schedule must be a number from -3 to 3, got {2 * value}. Bring lambda closer to 0, or lower the highest point of the schedule's curve."
    )
    assert (
        _run(node, models.sd15, models.other, value, schedule=early) is not None
    )  # the window ends before the curve is that high


@pytest.mark.parametrize("socket", ["trained_beta", "target_beta"])
@pytest.mark.parametrize("value", [0, 0.0, -1.0, math.nan, math.inf, -math.inf])
def test_beta(socket: str, value: float, capfd: pytest.CaptureFixture[str]) -> None:
    inputs = {"trained_beta": 5000.0, "target_beta": 5000.0, socket: value}
    said = _refusal(lambda: lambda_from_beta.DeRaDiffLambdaFromBeta.execute(**inputs), capfd)
    assert said.startswith(f"{socket} must be a finite number above 0, got {value!r}. ")
    assert "Diffusion-DPO trained SD1.5 and SDXL at 5000" in said


@pytest.mark.parametrize("node", NODES[1:])
@pytest.mark.parametrize(
    ("socket", "known"),
    [("sampler_name", comfy.samplers.KSampler.SAMPLERS), ("scheduler", comfy.samplers.KSampler.SCHEDULERS)],
)
def test_an_unknown_sampler_or_scheduler(
    node: type, socket: str, known: list[str], models: Models, capfd: pytest.CaptureFixture[str]
) -> None:
    before = models.evaluations
    said = _refusal(lambda: _run(node, models.sd15, models.other, **{socket: "eulr"}), capfd)
    assert said == f"{socket}: this ComfyUI has no 'eulr'. Choose one of {', '.join(known)}."
    assert models.evaluations == before


@pytest.mark.parametrize("node", NODES)
def test_an_unknown_evaluation(node: type, models: Models, capfd: pytest.CaptureFixture[str]) -> None:
    before = models.evaluations
    said = _refusal(lambda: _run(node, models.sd15, models.other, evaluation="fast"), capfd)
    assert said == "evaluation: expected exact, reuse or stochastic, got 'fast'."
    assert models.evaluations == before


@pytest.mark.parametrize("value", ["enabled", "Disable", True, None])
@pytest.mark.parametrize("socket", ["add_noise", "return_with_leftover_noise"])
def test_neither_enable_nor_disable(
    socket: str, value: object, models: Models, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not every ComfyUI checks a combo's value."""
    before = models.evaluations
    said = _refusal(lambda: _run(sample.DeRaDiffKSamplerAdvanced, models.sd15, models.other, **{socket: value}), capfd)
    assert said == f"{socket}: expected enable or disable, got {value!r}."
    assert models.evaluations == before


@pytest.mark.usefixtures("folder")
def test_an_unknown_weight_dtype(capfd: pytest.CaptureFixture[str]) -> None:
    files = ("good.safetensors", "other.safetensors")
    said = _refusal(lambda: load.DeRaDiffLoadDiffusionPair.execute(*files, weight_dtype="fp4"), capfd)
    assert said == f"weight_dtype: expected one of {', '.join(loading.WEIGHT_DTYPES)}, got 'fp4'."


@pytest.mark.parametrize(("broken", "name"), [(0, "reference"), (1, "aligned model")])
@pytest.mark.parametrize("node", NODES[1:])
def test_predictions_that_are_not_finite_name_the_model(node: type, broken: int, name: str, folder: Path) -> None:
    """Known only from sampling, so said after it: instead of a black image."""
    pair = [loading.load_diffusion(str(folder / file), "aligned") for file in ("good.safetensors", "other.safetensors")]
    with torch.no_grad():
        pair[broken].model.diffusion_model.out[2].bias[0] = math.nan
    with pytest.raises(
        ValueError, match=f"^The {name} predicted NaN or infinite values, which would decode to a black"
    ):
        _run(node, *pair)


@pytest.mark.parametrize("node", NODES)
def test_the_same_calls_with_good_input_work(node: type, models: Models) -> None:
    """What every refusal above is measured against: nothing but the named input was wrong."""
    before = models.evaluations
    output = _run(node, models.sd15, models.other)[0]
    assert isinstance(output, ModelPatcher) or bool(torch.isfinite(output["samples"]).all())
    assert models.evaluations == before + (0 if node is NODES[0] else 2)

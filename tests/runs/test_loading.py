"""The loaders on good files: what is read of the aligned file, and that every published format gives the same model."""

from __future__ import annotations

import copy
from pathlib import Path

import comfy.model_base
import comfy.model_patcher
import comfy.sd
import comfy.utils
import folder_paths
import pytest
import safetensors
import torch
from comfy.model_patcher import ModelPatcher
from deradiff.nodes import load
from deradiff.nodes.runs import loading
from safetensors.torch import save_file
from support import standins, wrong_files

# SDXS is the smallest SD1.5-class UNet whose diffusers form core knows; these are its depths.
SDXS = {
    "num_res_blocks": [1, 1, 1],
    "channel_mult": [1, 2, 4],
    "transformer_depth": [0, 1, 1],
    "transformer_depth_middle": -2,
    "transformer_depth_output": [0, 0, 1, 1, 1, 1],
}
TEXT_ENCODER = "cond_stage_model.transformer.text_model.encoder.layers."
MEGABYTE = 2**20


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that ComfyUI takes for checkpoints, diffusion models and loras, each in a folder of its own."""
    for name in ("checkpoints", "diffusion_models", "loras"):
        (tmp_path / name).mkdir()
        monkeypatch.setitem(
            folder_paths.folder_names_and_paths, name, ([str(tmp_path / name)], {".safetensors", ".ckpt"})
        )
    return tmp_path


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """(file, tensor) of everything read through safetensors, which goes on reading as ever."""
    done: list[tuple[str, str]] = []
    real = safetensors.safe_open

    class Recording:
        def __init__(self, path: str, **options: object) -> None:
            self.name, self.file = Path(path).name, real(path, **options)

        def __enter__(self) -> Recording:
            self.file.__enter__()
            return self

        def __exit__(self, *error: object) -> object:
            return self.file.__exit__(*error)

        def __getattr__(self, name: str) -> object:
            return getattr(self.file, name)

        def get_tensor(self, name: str) -> torch.Tensor:
            done.append((self.name, name))
            return self.file.get_tensor(name)

    monkeypatch.setattr(safetensors, "safe_open", Recording)
    return done


def _checkpoint(unet: dict[str, torch.Tensor], extra: dict[str, torch.Tensor], path: Path) -> Path:
    """A full checkpoint: the UNet in half precision, and other tensors as they are."""
    inner = {standins.CHECKPOINT_PREFIX + name: value.half() for name, value in unet.items()}
    save_file({**inner, **{name: value.contiguous() for name, value in extra.items()}}, path)
    return path


def _same_weights(ours: ModelPatcher, theirs: ModelPatcher) -> bool:
    first, second = ours.model.state_dict(), theirs.model.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_text_encoder_and_vae_of_the_aligned_file_are_never_read(folder: Path, reads: list[tuple[str, str]]) -> None:
    unet = standins.unet("sd15", 1)
    big = {f"{TEXT_ENCODER}{n}.mlp.fc1.weight": torch.zeros(50 * MEGABYTE // 2, dtype=torch.half) for n in range(4)}
    _checkpoint(unet, {**big, **standins.taesd(2)}, folder / "checkpoints" / "aligned.safetensors")
    _checkpoint(unet, standins.taesd(2), folder / "checkpoints" / "reference.safetensors")
    assert (folder / "checkpoints" / "aligned.safetensors").stat().st_size > 200 * MEGABYTE

    reference, aligned, _, vae = load.DeRaDiffLoadCheckpointPair.execute("reference.safetensors", "aligned.safetensors")

    of_aligned = [name for file, name in reads if file == "aligned.safetensors"]
    of_reference = {name for file, name in reads if file == "reference.safetensors"}
    assert sorted(of_aligned) == sorted(standins.CHECKPOINT_PREFIX + name for name in unet)
    assert of_reference > set(of_aligned) and any(name.startswith("first_stage_model.") for name in of_reference)
    assert _same_weights(reference, aligned)
    assert vae.decode(torch.zeros(1, 4, 8, 8)).shape == (1, 64, 64, 3)


def test_the_spy_sees_core_read_such_a_text_encoder(folder: Path, reads: list[tuple[str, str]]) -> None:
    """The control of the test above: the same file on the reference socket is read as a whole."""
    text_encoder = {f"{TEXT_ENCODER}0.mlp.fc1.weight": torch.zeros(4, dtype=torch.half)}
    path = _checkpoint(standins.unet("sd15", 1), text_encoder, folder / "checkpoints" / "whole.safetensors")
    comfy.sd.load_checkpoint_guess_config(str(path), output_clip=False, output_vae=False)
    assert ("whole.safetensors", f"{TEXT_ENCODER}0.mlp.fc1.weight") in reads


@pytest.mark.parametrize("form", ["checkpoint", "plain", "pickled checkpoint"])
def test_every_form_of_the_aligned_file_gives_the_model_that_core_loads(form: str, folder: Path) -> None:
    unet = standins.unet("sd15", 1)
    expected = comfy.sd.load_diffusion_model_state_dict({name: value.half() for name, value in unet.items()})
    folder_name, file = ("diffusion_models" if form == "plain" else "checkpoints"), "aligned.safetensors"
    if form == "pickled checkpoint":
        file = "aligned.ckpt"
        inner = {standins.CHECKPOINT_PREFIX + name: value.half() for name, value in unet.items()}
        torch.save({"state_dict": {**inner, f"{TEXT_ENCODER}0.weight": torch.zeros(3)}}, folder / folder_name / file)
    else:
        prefix = standins.CHECKPOINT_PREFIX if form == "checkpoint" else ""
        standins.save(unet, folder / folder_name / file, prefix)
    _checkpoint(standins.unet("sd15", 2), standins.taesd(2), folder / "checkpoints" / "reference.safetensors")
    _, aligned, *_ = load.DeRaDiffLoadCheckpointPair.execute("reference.safetensors", file)
    assert _same_weights(aligned, expected)


def _as_diffusers(unet: dict[str, torch.Tensor], config: dict) -> dict[str, torch.Tensor]:
    names = comfy.utils.unet_to_diffusers(config)
    renamed = {theirs: unet[ours] for theirs, ours in names.items() if ours in unet}
    assert len(renamed) == len(unet)
    return renamed


def test_a_diffusers_unet_is_the_model_that_its_checkpoint_is(folder: Path) -> None:
    """The form in which Diffusion-DPO is published: unet/diffusion_pytorch_model.safetensors."""
    rng = torch.Generator().manual_seed(0)
    shapes = standins.unet("sd15", 1, sizes=SDXS)
    unet = {name: torch.rand(value.shape, generator=rng).to(torch.float8_e5m2) for name, value in shapes.items()}
    del shapes
    published = folder / "diffusion_models" / "diffusion_pytorch_model.safetensors"
    save_file(_as_diffusers(unet, {**SDXS, "context_dim": 768}), published)
    whole = {standins.CHECKPOINT_PREFIX + name: value for name, value in unet.items()}
    dtype = {"dtype": torch.float8_e5m2}
    expected, *_ = comfy.sd.load_state_dict_guess_config(whole, False, False, model_options=dtype)

    aligned = loading.load_diffusion(str(published), "aligned", "fp8_e5m2")

    assert aligned.model.model_config.unet_config["context_dim"] == 768
    assert type(aligned.model.model_config) is type(expected.model.model_config)
    ours, theirs = aligned.model.state_dict(), expected.model.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(
        torch.equal(value.view(torch.uint8), theirs[name].view(torch.uint8))
        for name, value in ours.items()
        if value.ndim
    )


@pytest.mark.parametrize("flags", [(), ("v_pred",), ("v_pred", "ztsnr")])
def test_prediction_flags_of_a_checkpoint_are_kept(flags: tuple[str, ...], folder: Path) -> None:
    """v-prediction is marked by empty tensors beside the model; without them an SDXL model would be sampled as eps."""
    path = folder / "checkpoints" / "aligned.safetensors"
    unet = standins.unet("sdxl", 1, sizes=wrong_files.SDXL_CLASS)
    _checkpoint(unet, {name: torch.zeros(0) for name in flags}, path)
    expected, *_ = comfy.sd.load_checkpoint_guess_config(str(path), output_vae=False, output_clip=False)
    aligned = loading.load_diffusion(str(path), "aligned")
    kind = comfy.model_base.ModelType.V_PREDICTION if flags else comfy.model_base.ModelType.EPS
    assert aligned.model.model_type == expected.model.model_type == kind
    sigmas, theirs = (model.get_model_object("model_sampling").sigmas for model in (aligned, expected))
    assert torch.equal(sigmas, theirs)
    assert (float(sigmas[-1]) > 1000) == ("ztsnr" in flags)


@pytest.mark.parametrize(
    ("weight_dtype", "expected"),
    [("fp8_e4m3fn", torch.float8_e4m3fn), ("fp8_e5m2", torch.float8_e5m2), ("fp8_e4m3fn_fast", torch.float8_e4m3fn)],
)
def test_weight_dtype_is_that_of_both_models(weight_dtype: str, expected: torch.dtype, folder: Path) -> None:
    unet = standins.unet("sd15", 1)
    for name, prefix in (("reference", ""), ("aligned", standins.CHECKPOINT_PREFIX)):
        standins.save(unet, folder / "diffusion_models" / f"{name}.safetensors", prefix)
    files = ("reference.safetensors", "aligned.safetensors")
    pair = load.DeRaDiffLoadDiffusionPair.execute(*files, weight_dtype)
    assert [model.model.get_dtype() for model in pair.result] == [expected, expected]


def _published(form: str, folder: Path, seed: int = 1) -> Path:
    """A small model in one of the forms that load_diffusion reads."""
    unet = standins.unet("sd15", seed)
    if form == "pickled checkpoint":
        inner = {standins.CHECKPOINT_PREFIX + name: value.half() for name, value in unet.items()}
        torch.save({"state_dict": inner}, folder / "model.ckpt")
        return folder / "model.ckpt"
    prefix = standins.CHECKPOINT_PREFIX if form == "checkpoint" else ""
    return standins.save(unet, folder / "model.safetensors", prefix)


every_form = pytest.mark.parametrize("form", ["checkpoint", "plain", "pickled checkpoint"])
AGAIN = hasattr(
    ModelPatcher, "get_clone_model_override"
)  # this ComfyUI may make a model again from what its loader left


@every_form
def test_core_can_make_a_loaded_model_again(form: str, folder: Path) -> None:
    """As it does for hooks, torch.compile and several GPUs; a ComfyUI that never does is left nothing."""
    model = loading.load_diffusion(str(_published(form, folder)), "aligned", "fp8_e4m3fn")
    assert hasattr(model, "cached_patcher_init") == AGAIN
    if not AGAIN:
        return
    again = model.clone(force_deepcopy=True)  # type: ignore[call-arg]
    assert again.model is not model.model and _same_weights(again, model)
    assert again.model.get_dtype() == torch.float8_e4m3fn
    several = model.deepclone_multigpu(torch.device("cpu"))  # type: ignore[attr-defined]
    assert several.model is not model.model and _same_weights(several, model)


@every_form
def test_core_can_make_a_model_of_dynamic_memory_again(form: str, folder: Path) -> None:
    """A patcher of the class that ComfyUI uses on GPUs, around a loaded model, without the GPU's buffers."""
    model = loading.load_diffusion(str(_published(form, folder)), "aligned")
    dynamic = getattr(comfy.model_patcher, "ModelPatcherDynamic", None)
    assert (dynamic is not None) == AGAIN
    if not AGAIN:
        return

    class Streamed(dynamic):  # type: ignore[misc, valid-type]
        def register_load_device(self, device: torch.device) -> None:
            """Buffers of the GPU's driver; nothing here loads."""

    streamed = Streamed(model.model, torch.device("cuda", 0), torch.device("cpu"))
    streamed.cached_patcher_init = model.cached_patcher_init
    assert streamed.is_dynamic()
    for plain in (streamed.get_non_dynamic_delegate(), streamed.clone(disable_dynamic=True)):
        assert type(plain) is ModelPatcher and plain.model is not model.model and _same_weights(plain, model)


def test_core_can_make_both_models_of_a_pair_again(folder: Path) -> None:
    _checkpoint(standins.unet("sd15", 1), standins.taesd(2), folder / "checkpoints" / "reference.safetensors")
    _checkpoint(standins.unet("sd15", 2), standins.taesd(2), folder / "checkpoints" / "aligned.safetensors")
    pair = load.DeRaDiffLoadCheckpointPair.execute("reference.safetensors", "aligned.safetensors").result[:2]
    for model in pair:
        assert hasattr(model, "cached_patcher_init") == AGAIN
        assert not AGAIN or _same_weights(model.clone(force_deepcopy=True), model)


@pytest.fixture
def same_name_twice(folder: Path) -> str:
    unet = standins.unet("sd15", 1)
    _checkpoint(unet, standins.taesd(2), folder / "checkpoints" / "model.safetensors")
    standins.save(standins.unet("sd15", 2), folder / "diffusion_models" / "model.safetensors")
    return "model.safetensors"


def test_a_name_in_both_folders_can_be_told_apart(same_name_twice: str) -> None:
    options = load.DeRaDiffLoadCheckpointPair.INPUT_TYPES()["required"]["aligned"][1]["options"]
    assert options == [same_name_twice, f"diffusion_models/{same_name_twice}"]
    reference, first, *_ = load.DeRaDiffLoadCheckpointPair.execute(same_name_twice, options[0])
    _, second, *_ = load.DeRaDiffLoadCheckpointPair.execute(same_name_twice, options[1])
    assert _same_weights(reference, first) and not _same_weights(reference, second)


def test_a_lora_pair_keeps_one_module_and_leaves_its_model_alone(folder: Path) -> None:
    unet = standins.unet("sd15", 1)
    standins.save(unet, folder / "diffusion_models" / "model.safetensors")
    save_file(standins.lora(unet, 2), folder / "loras" / "dpo.safetensors")
    model = loading.load_diffusion(str(folder / "diffusion_models" / "model.safetensors"), "reference")
    reference, aligned = load.DeRaDiffLoadLoraPair.execute(model, "dpo.safetensors", 0.8)
    assert reference is model and model.patches == {}
    assert getattr(aligned, "cached_patcher_init", None) is getattr(model, "cached_patcher_init", None)
    assert aligned.is_clone(model) and {patch[0] for patches in aligned.patches.values() for patch in patches} == {0.8}


def test_the_aligned_model_of_a_lora_pair_keeps_what_its_model_has(folder: Path) -> None:
    """Style LoRAs, options, wrappers, object patches, attachments: whatever was set on the input belongs to both."""
    unet = standins.unet("sd15", 1)
    standins.save(unet, folder / "diffusion_models" / "model.safetensors", standins.CHECKPOINT_PREFIX)
    style, dpo = standins.lora(unet, 3, only="attn1"), standins.lora(unet, 2)
    save_file(dpo, folder / "loras" / "dpo.safetensors")
    model = loading.load_diffusion(str(folder / "diffusion_models" / "model.safetensors"), "reference")
    model, _ = comfy.sd.load_lora_for_models(model, None, style, 0.5, 0)
    sampling = copy.deepcopy(model.get_model_object("model_sampling"))
    model.add_object_patch("model_sampling", sampling)
    model.set_model_sampler_cfg_function(cfg := lambda args: args["cond"])
    model.set_attachments("mine", "kept")
    model.add_wrapper("apply_model", wrapper := lambda executor, *args, **kwargs: executor(*args, **kwargs))
    before = {key: list(patches) for key, patches in model.patches.items()}

    reference, aligned = load.DeRaDiffLoadLoraPair.execute(model, "dpo.safetensors", 1.0).result

    assert reference is model and model.patches == before
    assert all(aligned.patches[key][: len(patches)] == patches for key, patches in before.items())
    assert aligned.object_patches["model_sampling"] is sampling
    assert aligned.model_options["sampler_cfg_function"] is cfg
    assert aligned.get_attachment("mine") == "kept"
    assert aligned.get_wrappers("apply_model", None) == [wrapper]
    assert getattr(aligned, "cached_patcher_init", None) is getattr(model, "cached_patcher_init", None)
    if AGAIN:
        again = aligned.clone(force_deepcopy=True)
        assert again.patches == aligned.patches and _same_weights(again, model)

"""Training a time predictor: repeatable, resumable, cancellable; its files, and what is refused before anything is trained."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import comfy.model_management
import comfy.sd
import folder_paths
import pytest
import torch
from comfy.model_management import InterruptProcessingException
from deradiff.nodes import page
from deradiff.nodes.engine.predictors import bins_of, space_of
from deradiff.nodes.method import noise_level
from deradiff.nodes.method.predictor_card import Space
from deradiff.nodes.method.time_predictor import Bins, gradient
from deradiff.nodes.runs import predictor_files
from deradiff.nodes.runs.predictor_training import Task, train
from deradiff.nodes.temporal_alignment import DeRaDiffLoadTimePredictor, DeRaDiffTemporalAlignment
from deradiff.nodes.train_predictor import DeRaDiffTrainTimePredictor
from PIL import Image
from safetensors.torch import load_file, save_file
from support import engine, standins
from support.engine import Pair
from support.predictors import MEAN, VARIANCE, Eps, Gaussian, analytic, noised

pytestmark = pytest.mark.usefixtures("as_in_comfyui")

GIVEN = {"name": "small", "iterations": 20, "batch_size": 4, "learning_rate": 1e-3, "seed": 7, "resume": True}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of time predictors."""
    found = tmp_path / "predictors"
    monkeypatch.setitem(folder_paths.folder_names_and_paths, predictor_files.FOLDER, ([str(found)], set()))
    return found


@pytest.fixture
def latents() -> dict:
    return engine.drawn_latent("sd15", batch=20, side=8)


def _train(pair: Pair, **changes: object) -> str:
    """The report."""
    return DeRaDiffTrainTimePredictor.execute(pair.reference, **{**GIVEN, **changes}).result[1]  # type: ignore[arg-type]


def _card(path: Path) -> dict:
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    return json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["deradiff_time_predictor"])


def test_a_seed_gives_the_same_file_to_the_bit(sd15: Pair, latents: dict, folder: Path) -> None:
    before = torch.get_rng_state()
    for name, seed in (("one", 7), ("same", 7), ("other", 8)):
        _train(sd15, latents=latents, name=name, seed=seed)
    one, same, other = ((folder / f"{name}.safetensors").read_bytes() for name in ("one", "same", "other"))
    assert one == same != other
    assert torch.equal(torch.get_rng_state(), before)


def test_what_is_written_is_what_the_node_gives_and_what_is_loaded(sd15: Pair, latents: dict, folder: Path) -> None:
    found, said = DeRaDiffTrainTimePredictor.execute(sd15.reference, **GIVEN, latents=latents).result  # type: ignore[arg-type]
    (loaded,) = DeRaDiffLoadTimePredictor.execute("small.safetensors").result
    weights = load_file(folder / "small.safetensors")
    for predictor in (found, loaded):
        assert predictor.card.space == space_of(sd15.reference) and predictor.card.bins == bins_of(sd15.reference)
        assert predictor.card.iterations == 20 and 0 < predictor.card.loss < 2 * math.log(100)
        assert all(torch.equal(value, weights[name]) for name, value in predictor.network.state_dict().items())
    assert _card(folder / "small.safetensors")["space"] == {
        "latent_format": "SD15",
        "channels": 4,
        "signal": pytest.approx(0.7071, abs=1e-3),
    }
    assert "20 iterations on 20 images" in said and "eps or v prediction" in said
    (model,) = DeRaDiffTemporalAlignment.execute(sd15.reference, loaded, 1.0, 0.0, 1.0).result
    assert torch.isfinite(engine.by_core(model, sd15.task)).all()


@pytest.mark.parametrize("kind", ["sdxl", "sd3", "wan"])
def test_other_latents(request: pytest.FixtureRequest, kind: str, folder: Path) -> None:
    pair = request.getfixturevalue(kind)
    said = _train(pair, latents=engine.drawn_latent(kind, batch=16))
    assert f"on {48 if kind == 'wan' else 16} images" in said
    assert ("flow" in said) == (kind != "sdxl")


def test_training_goes_on_from_the_file(sd15: Pair, latents: dict, folder: Path) -> None:
    path = folder / "small.safetensors"
    _train(sd15, latents=latents)
    first = load_file(path)
    _train(sd15, latents=latents)
    assert all(torch.equal(value, first[name]) for name, value in load_file(path).items())  # it was done already
    _train(sd15, latents=latents, iterations=50)
    assert _card(path)["iterations"] == 50
    assert not torch.equal(load_file(path)["head.weight"], first["head.weight"])
    _train(sd15, latents=latents, resume=False)
    assert _card(path)["iterations"] == 20
    assert all(torch.equal(value, first[name]) for name, value in load_file(path).items())


def test_a_cancel_keeps_the_last_weights_and_stays_a_cancel(
    sd15: Pair, latents: dict, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        if len(said) == 3:
            comfy.model_management.interrupt_current_processing(True)

    monkeypatch.setattr(page, "text", say)
    with pytest.raises(InterruptProcessingException):
        _train(sd15, latents=latents, iterations=1000)
    assert _card(folder / "small.safetensors")["iterations"] == 30
    assert [line.split(",")[0] for line in said] == [f"iteration {n} of 1000" for n in (10, 20, 30)]
    assert "loss" in said[0]
    _train(sd15, latents=latents, iterations=40)
    assert _card(folder / "small.safetensors")["iterations"] == 40


def test_a_cancel_before_the_first_look_writes_nothing(sd15: Pair, latents: dict, folder: Path) -> None:
    comfy.model_management.interrupt_current_processing(True)
    with pytest.raises(InterruptProcessingException):
        _train(sd15, latents=latents)
    assert not list(folder.glob("*"))


def test_a_loss_that_is_lost_is_named_and_the_file_stays(sd15: Pair, latents: dict, folder: Path) -> None:
    _train(sd15, latents=latents)
    path = folder / "small.safetensors"
    before, begin = path.read_bytes(), predictor_files.load(path, "name")
    samples = torch.full_like(latents["samples"], math.inf)
    sampling = sd15.reference.get_model_object("model_sampling")
    task = Task([samples], sampling, begin.card.space, begin.card.bins, 60, 4, 0.1, 0)
    with pytest.raises(ValueError, match=r"learning_rate: expected one at which the loss stays a number"):
        train(task, path, begin, lambda text: None)
    assert path.read_bytes() == before


def test_a_trained_predictor_points_the_way_of_the_analytic_gradient(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """On Gaussian latents that are a factor e too noisy or too clean for their step."""
    sampling, rng = Eps(), torch.Generator().manual_seed(0)
    data = MEAN + math.sqrt(VARIANCE) * torch.randn(2000, 4, 8, 8, generator=rng)
    bins = Bins(*noise_level.level_range(sampling))
    space = Space("SD15", 4, noise_level.signal_at_even_noise(sampling))
    task = Task([data], sampling, space, bins, iterations=500, batch=48, rate=1e-3, seed=0)
    network = train(task, tmp_path / "toy.safetensors", None, lambda text: None).network
    exact, found = Gaussian(bins, MEAN, VARIANCE, flow=False), []
    for shift in (1.0, -1.0):
        levels = torch.linspace(0.0, 1.6, 60)
        y = noised("eps", levels, side=8)
        expected = analytic(exact, bins, y, levels + shift).float().flatten(1)
        ours = gradient(network, bins, y, levels + shift).flatten(1)
        found.append(torch.nn.functional.cosine_similarity(expected, ours))
    cosines = torch.cat(found)
    record_property(
        "figure",
        f"A predictor of 500 iterations: cosine to the analytic gradient {cosines.mean():.2f} (least {cosines.min():.2f}).",
    )
    assert cosines.mean() > 0.6
    assert (cosines > 0).float().mean() > 0.95


def _vae() -> comfy.sd.VAE:
    prefix = "first_stage_model."
    weights = {key.removeprefix(prefix): value for key, value in standins.taesd(2).items()}
    return comfy.sd.VAE(sd=weights)


def _images(root: Path, count: int) -> Path:
    root.mkdir()
    for n in range(count):
        mode = "RGBA" if n % 2 else "L"
        Image.effect_noise((40 + n, 64), 80).convert(mode).save(root / f"{n:02}.png")
    return root


def test_a_folder_of_images(sd15: Pair, latents: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_paths, "input_directory", str(tmp_path))
    _images(tmp_path / "drawings", 16)
    given = {"image_folder": "drawings", "vae": _vae(), "image_size": 64}
    assert "on 16 images" in _train(sd15, **given)
    assert "on 36 images" in _train(sd15, **given, latents=latents, name="both")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "latents: expected at least 16 images, got 0"),
        ({"latents": engine.drawn_latent("sd15", batch=15)}, "latents: expected at least 16 images, got 15"),
        ({"latents": engine.empty_latent("sd15", batch=20)}, "latents: expected latents of images, got empty ones"),
        (
            {"latents": engine.drawn_latent("sd3", batch=20)},
            r"latents: expected latents of this MODEL, of shape \(B, 4",
        ),
        ({"latents": {"samples": torch.full((20, 4, 4, 4), math.nan)}}, "latents: expected finite numbers"),
        ({"image_folder": "none"}, "image_folder: expected a folder inside ComfyUI's input folder, got 'none'"),
        ({"image_folder": ".."}, "image_folder: expected a folder inside ComfyUI's input folder"),
        ({"image_folder": "few"}, "vae: expected the model's VAE, which image_folder needs"),
        ({"image_folder": "few", "vae": True}, "image_folder: expected at least 16 images .* found 3 in few"),
        ({"image_folder": "damaged", "vae": True}, r"image_folder: 00\.png cannot be read as an image"),
        ({"name": ""}, "name: expected the name of a file"),
        ({"name": "../up"}, "name: expected the name of a file"),
        ({"name": ".hidden"}, "name: expected the name of a file"),
        ({"iterations": 0}, "iterations must be a whole number from 1"),
        ({"batch_size": 0}, "batch_size must be a whole number from 1"),
        ({"learning_rate": math.nan}, "learning_rate must be a number"),
        ({"seed": -1}, "seed must be a whole number from 0"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_what_is_refused_before_training(
    sd15: Pair, changes: dict, words: str, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_paths, "input_directory", str(tmp_path))
    _images(tmp_path / "few", 3)
    (_images(tmp_path / "damaged", 16) / "00.png").write_bytes(b"no image")
    given = {**changes, **({"vae": _vae()} if "vae" in changes else {})}
    with pytest.raises(ValueError, match=words):
        _train(sd15, **given)
    assert not folder.exists()


def test_a_file_of_another_kind_of_latents_is_not_trained_on(
    sd15: Pair, sd3: Pair, latents: dict, folder: Path
) -> None:
    _train(sd3, latents=engine.drawn_latent("sd3", batch=16))
    words = r"name: expected a new name or a predictor for this MODEL \(latents SD15.* but small\.safetensors is one for latents SD3"
    with pytest.raises(ValueError, match=words):
        _train(sd15, latents=latents)
    _train(sd15, latents=latents, resume=False)
    assert _card(folder / "small.safetensors")["space"]["latent_format"] == "SD15"


def _damaged(path: Path, how: str) -> None:
    """A file of ours, changed."""
    weights, card = load_file(path), _card(path)
    if how == "cut":
        path.write_bytes(path.read_bytes()[:1000])
        return
    if how == "weights":
        del weights["head.bias"]
    if how == "nan":
        weights["head.bias"] = torch.full_like(weights["head.bias"], math.nan)
    if how == "bins":
        card["bins"]["count"] = 1
    text = "{" if how == "card" else json.dumps(card)
    save_file(weights, path, metadata={} if how == "foreign" else {"deradiff_time_predictor": text})


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("cut", "cannot be read, it is empty, incomplete or damaged"),
        ("foreign", "it was saved by something else"),
        ("card", "its description cannot be read"),
        ("bins", "its description holds numbers that no training gives"),
        ("weights", r"1 of its weights are missing, left over or of another size \(first head\.bias\)"),
        ("nan", "some of its weights are no finite numbers"),
    ],
)
def test_a_file_that_is_no_predictor(sd15: Pair, latents: dict, folder: Path, how: str, words: str) -> None:
    _train(sd15, latents=latents)
    _damaged(folder / "small.safetensors", how)
    with pytest.raises(ValueError, match=f"name: expected a time predictor .*{words}"):
        DeRaDiffLoadTimePredictor.execute("small.safetensors")


@pytest.mark.parametrize("name", ["gone.safetensors", "", None])
def test_a_file_that_is_not_there(name: object, folder: Path) -> None:
    folder.mkdir()
    with pytest.raises(ValueError, match="name: models/deradiff_time_predictors holds no"):
        DeRaDiffLoadTimePredictor.execute(name)  # type: ignore[arg-type]


@pytest.mark.parametrize("socket", ["model", "predictor"])
def test_a_value_that_is_no_predictor_or_model(sd15: Pair, socket: str) -> None:
    given = {"model": sd15.reference, "predictor": "a text", "strength": 1.0, "start_percent": 0.0, "end_percent": 1.0}
    if socket == "model":
        given["model"] = 3
    with pytest.raises(ValueError, match=f"{socket}: expected a {'MODEL' if socket == 'model' else 'TIME_PREDICTOR'}"):
        DeRaDiffTemporalAlignment.execute(**given)

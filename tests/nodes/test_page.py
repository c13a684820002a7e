"""What the nodes tell the page: what a run was and warned of, once each, and how far a sweep is."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import comfy.samplers
import comfy.utils
import latent_preview
import pytest
from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io
from deradiff.nodes import page
from deradiff.nodes.engine import LOG
from deradiff.nodes.engine.patch import realign, telling
from deradiff.nodes.lambda_sweep import DeRaDiffLambdaSweep
from deradiff.nodes.method.evaluation import Evaluation
from deradiff.nodes.method.weights import Weight
from deradiff.nodes.realign import DeRaDiffRealign
from deradiff.nodes.runs.interpolation import interpolated
from deradiff.nodes.runs.sampling import Settings
from deradiff.nodes.runs.showing import Clock
from deradiff.nodes.runs.sweep import Pair as Models
from deradiff.nodes.runs.sweep import sweep
from deradiff.nodes.sample import DeRaDiffKSampler
from PIL import Image
from support import engine
from support.engine import Pair, Zoo

pytestmark = pytest.mark.usefixtures("as_in_comfyui")

SAME, SWAPPED, BEYOND = (
    "lambda changes nothing: the reference and the aligned model are the same model",
    "lambda seems to act backwards",
    "less regularised",
)


def _said(output: io.NodeOutput) -> dict[str, Any]:
    (said,) = output.ui[page.RUN]
    return said


def _realigned(reference: ModelPatcher, aligned: ModelPatcher, weight: float = 0.5) -> list[str]:
    said = _said(DeRaDiffRealign.execute(reference, aligned, evaluation="exact", **{"lambda": weight}))
    assert said["lambda"] == weight
    return said["warnings"]


def _run(pair: Pair, weight: float, **changes: Any) -> dict[str, Any]:
    settings = replace(pair.task, steps=2).settings()
    inputs = {"evaluation": "exact", "lambda": weight, **changes}
    return _said(DeRaDiffKSampler.execute(pair.reference, pair.aligned, **settings, **inputs))


def _swept(pair: Pair, lambdas: str, **changes: Any) -> list[str]:
    settings = replace(pair.task, steps=1).settings()
    inputs = {"evaluation": "exact", "baseline": False, **changes}
    return _said(DeRaDiffLambdaSweep.execute(pair.reference, pair.aligned, lambdas, **settings, **inputs))["warnings"]


def test_one_model_on_both_inputs(sd15: Pair, zoo: Zoo) -> None:
    for twice in (sd15.reference, sd15.reference.clone(), zoo.load("sd15")):
        (text,) = _realigned(sd15.reference, twice)
        assert SAME in text and "bypassed" in text
    assert _realigned(sd15.reference, sd15.aligned) == []


def test_one_model_on_both_inputs_after_a_run_that_left_its_weights_patched(sd15: Pair, zoo: Zoo) -> None:
    """As a sweep's interpolated baseline does."""
    engine.by_core(interpolated(sd15.reference, sd15.aligned, 0.5), sd15.task)
    assert sd15.reference.backup
    (text,) = _realigned(sd15.reference, zoo.load("sd15"))
    assert SAME in text


def test_a_lora_pair_the_wrong_way_round(sd15_lora: Pair, zoo: Zoo) -> None:
    reference, aligned = sd15_lora.reference, sd15_lora.aligned
    (text,) = _realigned(aligned, reference)
    assert SWAPPED in text and "Swap the two inputs" in text
    assert _realigned(reference, aligned) == []
    styled = engine.with_lora(reference, zoo.lora_path("sd15", 2), 0.7)
    both = engine.with_lora(styled, zoo.lora_path("sd15", 3), 1.0)
    assert _realigned(styled, both) == [], "a style below the pair belongs to both"
    assert SWAPPED in _realigned(both, styled)[0]
    assert _realigned(styled, aligned) == [], "either has what the other lacks: nobody can tell"


def test_a_run_says_its_own_lambda_and_what_it_warned_of(sd15: Pair) -> None:
    said = _run(sd15, 1.5, evaluation="reuse")
    assert said["lambda"] == 1.5 and said["kl"] > 0
    beyond, fell_back = said["warnings"]
    assert BEYOND in beyond and "every model is evaluated" in fell_back
    assert _run(sd15, 0.5)["warnings"] == []


def test_a_sweep_warns_once_of_each_thing(sd15: Pair, sd15_lora: Pair) -> None:
    (text,) = _swept(sd15, "0.5, 1.5, 2")
    assert BEYOND in text and "lambda 2" in text
    assert _swept(sd15_lora, "0, 1", baseline=True) == [], "the baseline's own models are no pair of the user's"


def test_patches_that_do_not_act_are_named_in_one_warning(sd15: Pair) -> None:
    guided = sd15.aligned.clone()
    guided.set_model_sampler_cfg_function(lambda args: args["cond"])
    guided.set_model_sampler_post_cfg_function(lambda args: args["denoised"])
    (text,) = _realigned(sd15.reference, guided)
    assert "a CFG function" in text and "and a post-CFG function" in text


def test_a_run_of_core_s_sampler_tells_what_it_warned_of(sd15: Pair) -> None:
    heard: list[list[str]] = []
    model = telling(realign(sd15.reference, sd15.aligned, 1.5), heard.append)
    task = replace(sd15.task, steps=1)
    engine.by_core(model.clone(), task)
    ((text,),) = heard
    assert BEYOND in text
    engine.by_core(telling(realign(sd15.reference, sd15.aligned, 0.5), heard.append), task)
    assert len(heard) == 1
    assert not [handler for handler in LOG.handlers if handler.level == logging.WARNING], "nothing listens on"


def test_a_sweep_says_how_far_it_is(sd15: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    stages, previews = _shown(sd15, monkeypatch)
    order = dict.fromkeys((stage["number"], stage["lambda"]) for stage in stages)
    assert [*order] == [(1, 0.0), (2, 0.5), (3, 1.0)] and {stage["count"] for stage in stages} == {3}
    later = [stage["left"] for stage in stages if stage["number"] > 1]
    assert stages[0]["left"] is None and later[0] > 0 and min(later) >= 0
    assert [kind for kind, _, _ in previews] == ["JPEG"] * 3, "where previews are off, one for each image"
    filled = [sum(cell.getbbox() is not None for cell in _cells(sheet)) for _, sheet, _ in previews]
    assert filled == [1, 2, 3]


def test_the_images_that_are_shown_are_those_of_the_runs(sd15: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """With core's own previews on: the last step of each run is core's preview of it."""
    monkeypatch.setattr(latent_preview.args, "preview_method", latent_preview.LatentPreviewMethod.Latent2RGB)
    _, previews = _shown(sd15, monkeypatch)
    assert len(previews) == 3 * 2, "of every step"
    shown = _cells(previews[-1][1])
    for cell, weight in zip(shown, (0.0, 0.5, 1.0), strict=False):
        seen = _previews(monkeypatch)
        engine.by_us(sd15.reference, sd15.aligned, weight, replace(sd15.task, steps=2))
        assert cell.tobytes() == seen[-1][1].tobytes()


def _previews(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Image.Image, int]]:
    """What core's progress bar is given to show from now on."""
    seen: list[tuple[str, Image.Image, int]] = []

    def hook(value: int, total: int, preview: Any, **_: Any) -> None:
        if preview is not None:
            seen.append(preview)

    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", hook)
    return seen


def _shown(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> tuple[list[dict[str, Any]], list]:
    """What a sweep of three lambdas and two steps says and shows."""
    previews, stages = _previews(monkeypatch), []
    task = replace(pair.task, steps=2)
    settings = Settings(task.seed, task.steps, task.cfg, task.sampler_name, task.scheduler)
    weights = [Weight(0.0), Weight(0.5), Weight(1.0)]
    models = Models(pair.reference, pair.aligned)
    sweep(models, weights, Evaluation(), settings, task.positive, task.negative, task.latent, tell=stages.append)
    return stages, previews


def _cells(sheet: Image.Image) -> list[Image.Image]:
    """Of a sheet of two columns and two rows."""
    width, height = sheet.width // 2, sheet.height // 2
    return [sheet.crop((x, y, x + width, y + height)) for y in (0, height) for x in (0, width)]


def test_the_time_that_is_left_follows_what_the_work_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    clock = Clock(50)
    assert clock.left(2) is None, "how long the models took to load says nothing"
    for seconds, done in ((4.0, 4), (16.0, 10), (50.0, 27)):
        now[0] = 100.0 + seconds
        assert clock.left(done) == pytest.approx((50 - done) * 2.0)

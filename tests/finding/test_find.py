"""Find Lambda on the demo pair, through core's loaders: what it samples, what it finds, cancelling and going on."""

from __future__ import annotations

import csv
import io
import math
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import comfy.model_management
import comfy.sd
import comfy.utils
import pytest
import torch
from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io as comfy_io
from deradiff.nodes import page
from deradiff.nodes.find_lambda import DeRaDiffFindLambda
from deradiff.nodes.finding import unfinished
from deradiff.nodes.finding.task import Task, paired
from deradiff.nodes.method.curve import parse_curve
from deradiff.nodes.method.evaluation import Evaluation
from deradiff.nodes.method.schedule import LambdaSchedule
from deradiff.nodes.pick import DeRaDiffPickLambda
from deradiff.nodes.runs.sampling import Settings
from deradiff.nodes.sample import DeRaDiffKSampler
from deradiff.nodes.scoring.measures import MEASURES
from deradiff.nodes.scoring.search import LEAST_BUDGET
from deradiff.nodes.wires import ComparingScorer, Scorer

ROOT = Path(__file__).resolve().parents[2]
TEXTS = ("a red circle on a white background", "a blue square on a black background", "a green triangle")
QUICK = {"steps": 1}
SETTINGS: dict[str, Any] = {"steps": 2, "cfg": 3.0, "sampler_name": "euler", "scheduler": "normal"}
pytestmark = pytest.mark.usefixtures("as_in_comfyui")


@dataclass(frozen=True)
class Demo:
    """The demo pair, its VAE, and the conditionings of TEXTS."""

    reference: ModelPatcher
    aligned: ModelPatcher
    vae: comfy.sd.VAE
    positive: list[list]
    negative: list


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    sys.path.insert(0, str(ROOT / "demo"))
    import assemble

    models = tmp_path_factory.mktemp("models")
    assemble.assemble(models)
    loaded = comfy.sd.load_checkpoint_guess_config(
        str(models / "checkpoints" / assemble.CHECKPOINT), output_vae=True, output_clip=True
    )
    model, clip, vae = loaded[:3]
    lora = comfy.utils.load_torch_file(str(models / "loras" / assemble.LORA), safe_load=True)
    aligned, _ = comfy.sd.load_lora_for_models(model, None, lora, 1.0, 0.0)
    encoded = [clip.encode_from_tokens_scheduled(clip.tokenize(text)) for text in (*TEXTS, "")]
    return Demo(model, aligned, vae, encoded[:-1], encoded[-1])


@dataclass
class Judge:
    """A scorer that likes one warmth best, and remembers what it was asked."""

    peak: float = 0.1
    fails_after: int | None = None
    asked: list[tuple[int, str]] = field(default_factory=list)

    def __call__(self, images: torch.Tensor, prompt: str) -> tuple[float, ...]:
        self.asked.append((images.shape[0], prompt))
        if self.fails_after is not None and sum(count for count, _ in self.asked) > self.fails_after:
            raise comfy.model_management.InterruptProcessingException
        return tuple(-abs(float(value) - self.peak) for value in MEASURES["warmth"](images))


def latent(batch: int = 1) -> dict:
    return {"samples": torch.zeros(batch, 4, 8, 8)}


LATENT = latent()


def find(demo: Demo, scorer: Scorer, **changes: Any) -> tuple:
    """The node's outputs."""
    return executed(demo, scorer, **changes).args


def executed(demo: Demo, scorer: Scorer, **changes: Any) -> comfy_io.NodeOutput:
    """The node's result, its inputs as ComfyUI gives them to a node that takes lists."""
    lists = {"positive": demo.positive, "negative": [demo.negative], "prompt": list(TEXTS)}
    given = {
        **{"reference": demo.reference, "aligned": demo.aligned, "latent_image": LATENT, "vae": demo.vae},
        **{"scorer": scorer, "seed": 5, **SETTINGS, "denoise": 1.0, "evaluation": "exact"},
        **{"lowest": 0.0, "highest": 1.5, "budget": 32, "confidence": 0.95, "indifference": 0.15},
    }
    lists.update({name: changes.pop(name) for name in tuple(changes) if name in lists})
    return DeRaDiffFindLambda.execute(**lists, **{name: [value] for name, value in {**given, **changes}.items()})


def warm(**settings: Any) -> Scorer:
    return Scorer("warm", Judge(**settings), reads_prompt=False)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def by_ksampler(demo: Demo, place: int, seed: int, strength: float, **changes: Any) -> torch.Tensor:
    inputs = {"seed": seed, **SETTINGS, "denoise": 1.0, "evaluation": "exact", "lambda": strength, **changes}
    conditions = {"positive": demo.positive[place], "negative": demo.negative, "latent_image": LATENT}
    return DeRaDiffKSampler.execute(reference=demo.reference, aligned=demo.aligned, **conditions, **inputs).args[0][
        "samples"
    ]


@pytest.mark.parametrize("sampler", ["euler", "euler_ancestral"])
def test_every_latent_is_the_ksampler_s_to_the_bit(demo: Demo, sampler: str) -> None:
    find(demo, warm(), budget=LEAST_BUDGET, sampler_name=sampler)
    samples = unfinished.last().samples
    assert len(samples) >= 20 and len({block for block, _ in samples}) > len(TEXTS)
    for (block, strength), sample in samples.items():
        place, turn = block % len(TEXTS), block // len(TEXTS)
        assert torch.equal(sample.latent["samples"], by_ksampler(demo, place, 5 + turn, strength, sampler_name=sampler))


def test_what_it_hands_on_is_a_sweep_that_pick_lambda_takes(demo: Demo) -> None:
    strength, low, high, best, plot, table, text, swept, sweep, scores, held_out = find(demo, warm())
    images = demo.vae.decode(swept["samples"])
    judge = Judge()
    assert scores.values == pytest.approx(judge(images, ""), abs=1e-5) and held_out is None
    assert {0.0, strength} <= {entry.strength for entry in sweep.entries}
    assert DeRaDiffPickLambda.execute(images, sweep, scores, "highest mean", 0.0).args[0] in (
        0.0,
        0.5,
        1.0,
        1.5,
        strength,
    )
    assert best.shape[1:] == (64, 64, 3) and 1 <= best.shape[0] <= len(TEXTS)
    assert (math.isnan(low) and math.isnan(high)) or low <= strength <= high
    assert plot.shape == (1, 640, 1200, 3) and f"| {strength:g} |" in table
    spent = rows(text)
    assert len(spent) <= 32 and len({(row["block"], row["lambda"]) for row in spent}) == len(spent)
    first = spent[0]
    assert (first["prompt"], first["seed"], first["lambda"]) == ("1", "5", "0.0")


def test_each_image_is_judged_by_its_own_prompt(demo: Demo) -> None:
    scorer = Scorer("reads", Judge())
    find(demo, scorer, budget=LEAST_BUDGET, **QUICK)
    asked = scorer.score.asked[1:]  # the first is the trial on a grey image
    assert {prompt for _, prompt in asked} == set(TEXTS)
    samples = unfinished.last().search.scores
    for place, text in enumerate(TEXTS):
        expected = sum(len(scores) for block, scores in samples.items() if block % len(TEXTS) == place)
        assert sum(count for count, prompt in asked if prompt == text) == expected


def test_a_cancelled_search_goes_on_and_ends_as_if_it_had_not_been(demo: Demo) -> None:
    whole = find(demo, warm(), **QUICK)
    scorer = warm(fails_after=12)
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        find(demo, scorer, **QUICK)
    before = dict(unfinished.last().samples)
    assert len(before) >= 12
    scorer.score.fails_after = None
    again = find(demo, scorer, **QUICK)
    after = unfinished.last().samples
    assert all(after[key] is sample for key, sample in before.items())
    assert again[0] == whole[0] and again[5] == whole[5]
    assert torch.equal(again[7]["samples"], whole[7]["samples"])


def test_a_larger_budget_goes_on(demo: Demo) -> None:
    scorer = warm(peak=-0.05)
    find(demo, scorer, budget=LEAST_BUDGET, confidence=0.999, **QUICK)
    before = dict(unfinished.last().samples)
    find(demo, scorer, budget=LEAST_BUDGET + 8, confidence=0.999, **QUICK)
    after = unfinished.last().samples
    assert len(after) > len(before) and all(after[key] is sample for key, sample in before.items())


def test_anything_else_begins_anew(demo: Demo) -> None:
    prompts = paired(TEXTS, demo.positive, [demo.negative])
    task = Task(
        demo.reference,
        demo.aligned,
        prompts,
        LATENT,
        demo.vae,
        Settings(5, 2, 3.0, "euler", "normal"),
        Evaluation(),
        None,
        warm(),
    )
    search = ((0.0, 0.5, 1.0), 64, 0.95, 0.15)
    kept = unfinished.resumed(task, *search)
    same = replace(task, settings=Settings(5, 2, 3.0, "euler", "normal"))  # equal, and as an object another
    assert unfinished.resumed(same, *search) is kept
    assert unfinished.resumed(same, search[0], 80, *search[2:]) is kept and kept.search.budget == 80
    changes = [
        {"settings": Settings(6, 2, 3.0, "euler", "normal")},
        {"latent": latent()},
        {"scorer": warm()},
        {"held_out": warm()},
        {"evaluation": Evaluation("reuse")},
        {"schedule": LambdaSchedule(parse_curve("[[0, 1], [1, 0]]"))},
        {"aligned": demo.aligned.clone()},
        {"prompts": prompts[:2]},
        {"prompts": paired(("x", *TEXTS[1:]), demo.positive, [demo.negative])},
        {"prompts": paired(TEXTS, [list(each) for each in demo.positive], [demo.negative])},
    ]
    for change in changes:
        assert unfinished.resumed(replace(task, **change), *search) is not kept, change
        kept = unfinished.resumed(task, *search)
    for others in ((search[0][1:], *search[1:]), (*search[:2], 0.9, 0.15), (*search[:3], 0.2)):
        assert unfinished.resumed(task, *others) is not kept, others
        kept = unfinished.resumed(task, *search)


def test_a_search_is_forgotten_with_its_models(demo: Demo) -> None:
    copy = Demo(demo.reference.clone(), demo.aligned, demo.vae, demo.positive, demo.negative)
    find(copy, warm(), budget=LEAST_BUDGET, **QUICK)
    assert unfinished.last() is not None
    del copy
    assert unfinished.last() is None


def test_it_stops_where_the_held_out_judge_turns(demo: Demo) -> None:
    rising = Scorer("rising", lambda images, _: tuple(map(float, MEASURES["warmth"](images))), reads_prompt=False)
    turning = Scorer("turning", lambda images, _: tuple(-float(value) for value in MEASURES["warmth"](images)), False)
    held = find(demo, rising, budget=64, held_out=turning, **QUICK)
    assert held[0] == 0.0
    assert "the model is gaming rising there" in held[5]
    assert "the held-out judge has turned" in held[5]
    assert len(held[10].values) == len(held[9].values) and held[10].name == "turning"
    assert all(row["held_out"] for row in rows(held[6]))


@pytest.mark.parametrize(("highest", "warns"), [(1.0, False), (-1.2, True)])
def test_it_warns_of_a_range_far_below_zero_only_where_it_answers_so(demo: Demo, highest: float, warns: bool) -> None:
    rising = Scorer("rising", lambda images, _: tuple(map(float, MEASURES["warmth"](images))), reads_prompt=False)
    output = executed(demo, rising, lowest=-1.5, highest=highest, budget=LEAST_BUDGET)
    assert (output.args[0] < -1) == warns
    assert any("away from the alignment" in text for text in output.ui[page.RUN][0]["warnings"]) == warns


def test_a_scorer_that_breaks_on_one_image(demo: Demo) -> None:
    def broken(images: torch.Tensor, prompt: str) -> tuple[float, ...]:
        return tuple(math.nan if value < 0 else float(value) for value in MEASURES["warmth"](images))

    with pytest.raises(ValueError, match=r"^scorer: expected finite scores, got nan for an image at lambda"):
        find(demo, Scorer("broken", broken, reads_prompt=False), **QUICK)


NAN_SCORER = Scorer("nan", lambda images, prompt: (math.nan,), reads_prompt=False)
CLOSENESS = ComparingScorer("closeness", lambda images, prompt: (1.0,), False, compare=lambda images, others: (1.0,))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"budget": LEAST_BUDGET - 1}, r"^budget must be a whole number from 25 to 10000, got 24"),
        ({"budget": 1e9}, r"^budget must be a whole number"),
        (
            {"lowest": 1.0, "highest": 1.0},
            r"^highest must lie above lowest by 0.01 or more, got lowest 1 and highest 1. Raise",
        ),
        ({"lowest": 1.0, "highest": 0.5}, r"^highest must lie above lowest"),
        ({"highest": math.nan}, r"^highest must be a number from -3 to 3, got nan"),
        ({"highest": 9.0}, r"^highest must be a number from -3 to 3"),
        ({"confidence": 1.0}, r"^confidence must be a number from 0.5 to 0.999"),
        ({"indifference": "x"}, r"^indifference must be a number from 0.01 to 0.9, got 'x'"),
        ({"latent_image": latent(2)}, r"^latent_image: expected a latent of one sample, got a batch of 2"),
        ({"scorer": Scorer("reader", Judge()), "prompt": [""]}, r"^prompt: reader judges an image by its prompt"),
        ({"prompt": ["a", "b"]}, r"^prompt: expected one, or one for each of the 3 of positive, got 2"),
        ({"prompt": ["a"]}, r"^prompt: positive holds 3 conditionings, and there is one text"),
        ({"negative": [[], []]}, r"^negative: expected one, or one for each of the 3 of positive, got 2"),
        ({"positive": []}, r"^positive: expected at least one conditioning, got an empty list"),
        ({"positive": ["x"]}, r"^positive: expected a CONDITIONING, got 'x'"),
        ({"vae": 5}, r"^vae: expected a VAE, got 5"),
        ({"scorer": CLOSENESS}, r"^scorer: 'closeness' is highest at lambda 0 whatever the pair"),
        ({"held_out": CLOSENESS}, r"^held_out: 'closeness' is highest at lambda 0"),
        ({"scorer": NAN_SCORER}, r"^scorer: expected finite scores, got nan from nan for a grey image"),
        ({"held_out": NAN_SCORER}, r"^held_out: expected finite scores, got nan from nan for a grey image"),
        ({"sampler_name": "none"}, r"^sampler_name: this ComfyUI has no 'none'"),
        ({"evaluation": "none"}, r"^evaluation: expected"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_sampling(
    demo: Demo, changes: dict, says: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr(comfy.sample, "sample", lambda *_, **__: pytest.fail("It sampled."))
    with pytest.raises(ValueError, match=says):
        find(demo, **{"scorer": warm(), **changes})


def test_lists_where_none_is_taken(demo: Demo) -> None:
    with pytest.raises(ValueError, match=r"^seed: expected one value, got a list of 2"):
        DeRaDiffFindLambda.execute(positive=[[]], negative=[[]], prompt=[""], seed=[1, 2])


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            {"lowest": [0.0], "highest": [0.0], "budget": [64], "confidence": [0.9], "indifference": [0.1]},
            "highest must lie above lowest",
        ),
        (
            {"lowest": [0.0], "highest": [1.0], "budget": [3], "confidence": [0.9], "indifference": [0.1]},
            "budget must be",
        ),
    ],
)
def test_a_bad_range_or_budget_is_refused_when_queued(given: dict, says: str) -> None:
    assert str(DeRaDiffFindLambda.validate_inputs(**given)).startswith(says)
    assert DeRaDiffFindLambda.validate_inputs(**{**given, "budget": [None]}) is True  # by a link
    given.pop("budget")
    assert DeRaDiffFindLambda.validate_inputs(**given) is True

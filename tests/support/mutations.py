"""Prompts of the API in which one input of one of the pack's nodes was changed, and whether the change is right.
What is right is told from what the server says of the node (its types, limits and lists), not by the pack's own checks.
"""

from __future__ import annotations

import copy
import enum
import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Prompt = dict[str, dict[str, Any]]

FLAT = "[[0, 1], [1, 1]]"
_MODELS = {"reference": ["pair", 0], "aligned": ["pair", 1]}
_CONDS = {"positive": ["prompt", 0], "negative": ["prompt", 0], "latent_image": ["latent", 0]}
_STEPS = {"steps": 1, "cfg": 1.0, "sampler_name": "euler", "scheduler": "normal", **_CONDS}
_HOW = {
    "evaluation": "exact",
    "schedule": ["schedule", 0],
    "mask": ["mask", 0],
    "mask_feather": 0,
    "reuse_tolerance": 0.05,
}
_NOISE = {"add_noise": "enable", "return_with_leftover_noise": "disable", "start_at_step": 0, "end_at_step": 10000}
_SWEPT = {
    "evaluation": "exact",
    "baseline": False,
    "measure_kl": False,
    "schedule": ["schedule", 0],
    "reuse_tolerance": 0.05,
}
_JUDGES = {"scorer": ["measure", 0], "held_out": ["scorer", 0]}
_SEARCHED = {
    **{"lowest": 0.0, "highest": 1.0, "budget": 25, "confidence": 0.95, "indifference": 0.15},
    **{"evaluation": "exact", "schedule": ["schedule", 0], "reuse_tolerance": 0.05},
}
_SHOWN = {"images": ["images", 0], "sweep": ["sweep", 1]}
_WINDOW = {"start_percent": 0.0, "end_percent": 1.0}

NODES: dict[str, tuple[str, dict[str, Any]]] = {
    "beta": ("DeRaDiffLambdaFromBeta", {"trained_beta": 5000.0, "target_beta": 5000.0}),
    "schedule": ("DeRaDiffLambdaSchedule", {"curve": FLAT, "interpolation": "linear", **_WINDOW}),
    "pair": (
        "DeRaDiffLoadDiffusionPair",
        {"reference": "reference.safetensors", "aligned": "aligned.safetensors", "weight_dtype": "default"},
    ),
    "lora": ("DeRaDiffLoadLoraPair", {"model": ["pair", 0], "lora": "style.safetensors", "strength": 1.0}),
    "checkpoints": (
        "DeRaDiffLoadCheckpointPair",
        {"reference": "whole.safetensors", "aligned": "diffusion_models/aligned.safetensors"},
    ),
    "realign": ("DeRaDiffRealign", {**_MODELS, "lambda": 0.5, **_HOW}),
    "guard": ("DeRaDiffGuard", {"model": ["realign", 0], "cap": 1.0, **_WINDOW}),
    "ksampler": ("DeRaDiffKSampler", {**_MODELS, "lambda": 0.5, "seed": 1, "denoise": 1.0, **_STEPS, **_HOW}),
    "advanced": ("DeRaDiffKSamplerAdvanced", {**_MODELS, "lambda": 0.5, "noise_seed": 1, **_NOISE, **_STEPS, **_HOW}),
    "sweep": ("DeRaDiffLambdaSweep", {**_MODELS, "lambdas": "0, 1", "seed": 1, "denoise": 1.0, **_STEPS, **_SWEPT}),
    "grid": ("DeRaDiffSweepGrid", {**_SHOWN, "trained_beta": 0.0, "cell_size": 64, "scores": ["scores", 0]}),
    "viewer": ("DeRaDiffSweepViewer", {**_SHOWN, "scores": ["scores", 0]}),
    "scorer": ("DeRaDiffLoadScorer", {"scorer": "tiny", "kind": "auto"}),
    "measure": ("DeRaDiffLoadScorer", {"scorer": "warmth (built in)", "kind": "auto"}),
    "scores": (
        "DeRaDiffScoreImages",
        {
            "images": ["images", 0],
            "prompt": "a",
            "scorer": ["measure", 0],
            "weight": 1.0,
            "scale": "raw",
            "sweep": ["sweep", 1],
        },
    ),
    "pick": (
        "DeRaDiffPickLambda",
        {**_SHOWN, "scores": ["scores", 0], "rule": "highest mean", "kl_budget": 100.0, "trained_beta": 0.0},
    ),
    "find": (
        "DeRaDiffFindLambda",
        {**_MODELS, "seed": 1, "denoise": 1.0, **_STEPS, "vae": ["text", 2], "prompt": "a", **_JUDGES, **_SEARCHED},
    ),
    "set": (
        "DeRaDiffPromptSet",
        {"source": "typed below", "prompts": "a\nb", "n": 2, "seed": 1, "negative": "", "column": ""},
    ),
    "text": ("CheckpointLoaderSimple", {"ckpt_name": "whole.safetensors"}),
    "prompt": ("CLIPTextEncode", {"text": "a", "clip": ["text", 1]}),
    "latent": ("EmptyLatentImage", {"width": 32, "height": 32, "batch_size": 1}),
    "mask": ("SolidMask", {"value": 1.0, "width": 32, "height": 32}),
    "images": ("EmptyImage", {"width": 64, "height": 64, "batch_size": 2, "color": 255}),
}
SHARES = {  # of the prompts; those of one node follow each other, so that the server keeps what is before it
    "beta": 120, "schedule": 260, "pair": 140, "lora": 160, "checkpoints": 100, "realign": 200, "guard": 80, "ksampler": 240,
    "advanced": 240, "sweep": 240, "grid": 100, "viewer": 40, "scorer": 80, "scores": 140, "pick": 140,
    "set": 120, "find": 120,
}  # fmt: skip
NEEDS_MORE = ("rule", "highest mean before the held-out judge turns")  # right where held_out is connected

NUMBERS = [
    *(math.nan, math.inf, -math.inf, 1e308, -1e308, 1e38, 1e20, 10**30, 2**64, -(2**63), 3.01, -0.01, -1, 1e-9),
    *(0, 0.5, 1, 2, 3, 100, 101, 10_001, True, None, "0.5", "0,5", "nan", "inf", "1e400", "x", "", "9" * 5000),
    *([], [1], [1, 2, 3], {}, {"a": 1}, {"__value__": [1, 2]}),
]
CHOICES = [
    "x",
    "",
    "EXACT",
    0,
    5,
    -1,
    0.5,
    None,
    True,
    [],
    [1],
    {},
    {"a": 1},
    {"__value__": ["exact"]},
    "../x",
    "\0",
    "x" * 9999,
]
WIRES = [5, "x", "", None, True, 0.5, [], [1], {}, {"a": 1}, {"__value__": 5}]
LISTS = {
    True: ["0", "0.5,1", "0:1:0.5", "0..1 x 3", " 1 ; 0\n", ".5", "3", "2,2", "1e-2", 0.5, 1, "0,1", "+1"],
    False: [
        *("0,5", "0,25;0,5", "0,1;0,2", "sNaN", "nan", "inf", "1e308", "1e20", "1e38", "", " ,;", "x", "-1", "3.5"),
        *("0:1", "0:1:0", "1:0:0.5", "0:1:-1", "0:3:0.001", "0..1", "0..1 x 1", "0..1x" + "9" * 6000, "9" * 6000),
        *("0.5" * 9999, "0 1 \0", "0..5 x 3", "0_1", "0x1", "½", None, True, 5, {}, {"a": 1}, {"__value__": []}),
    ],
}
CURVES = {
    True: [FLAT, "[[0, 0]]", "[[0, 2], [0.5, 0], [1, 2]]", " [ [0.5,1] ] ", "[[1e-3, 1.5]]"],
    False: [
        *(
            "",
            "x",
            "[]",
            "{}",
            "null",
            "5",
            "[0, 1]",
            "[[0]]",
            "[[0, 1, 2]]",
            "[[0, null]]",
            '[["0", 1]]',
            "[[0, NaN]]",
        ),
        *("[[0, 2.01]]", "[[-0.1, 1]]", "[[1.1, 1]]", "[[0.5, 1], [0.4, 1]]", "[[0, 1], [0, 1]]", "[[0, 1e999]]"),
        *(
            "[" * 9000,
            "[[0, " + "9" * 5000 + "]]",
            json.dumps([[x / 99, 1] for x in range(99)]),
            " " * 10_001,
            "[[0, true]]",
        ),
        *(5, None, True, {}, {"a": 1}, {"__value__": [0]}),
    ],
}
STRICT = {  # what is also refused through a link where it is out of the widget's limits
    *("lambda", "strength", "denoise", "steps", "cfg", "cell_size", "mask_feather", "start_percent", "end_percent"),
    *("start_at_step", "end_at_step", "n", "lowest", "highest", "budget", "confidence", "indifference"),
}


class Verdict(enum.Enum):
    RIGHT, WRONG, EITHER = range(3)


@dataclass(frozen=True)
class Mutation:
    """A prompt and what was changed. core: whether ComfyUI itself must refuse it, which need not name the input."""

    prompt: Prompt
    node: str
    input: str
    value: object
    verdict: Verdict
    linked: bool = False
    core: bool = False

    def __str__(self) -> str:
        said = repr(self.value)
        return f"{self.node}.{self.input} = {said[:80]}{' by a link' if self.linked else ''}"


def whole(target: str) -> Prompt:
    """The prompt that runs a node and all before it; what it gives is shown as text."""
    nodes, waiting = {}, [target]
    while waiting:
        name = waiting.pop()
        kind, inputs = NODES[name]
        nodes[name] = {"class_type": kind, "inputs": copy.deepcopy(inputs)}
        waiting += [value[0] for value in inputs.values() if isinstance(value, list) and value[0] not in nodes]
    if target != "viewer":
        nodes["shown"] = {"class_type": "PreviewAny", "inputs": {"source": [target, 0]}}
    return nodes


class Mutations:
    """Seeded: the same prompts every time."""

    def __init__(self, info: dict[str, Any], seed: int) -> None:
        """info: the server's /object_info."""
        self._info, self._random = info, random.Random(seed)

    def all(self) -> Iterator[Mutation]:
        for node, count in SHARES.items():
            yield from (self.of(node) for _ in range(count))

    def of(self, node: str) -> Mutation:
        """One input of the node changed: a value, a value by a link, a broken link, or no input at all."""
        name = self._random.choice(list(NODES[node][1]))
        type_, options, required = self._spec(node, name)
        roll = self._random.random()
        if roll < 0.04:
            return self._without(node, name, required)
        if roll < 0.08:
            return self._broken_link(node, name)
        if roll < 0.3 and type_ in ("INT", "FLOAT", "STRING"):
            return self._linked(node, name, type_, options)
        value, verdict = self._value(node, name, type_, options, required)
        return self._changed(node, name, value, verdict)

    def _spec(self, node: str, name: str) -> tuple[str, dict[str, Any], bool]:
        """(type, options, whether it is required), as the server says."""
        inputs = self._info[NODES[node][0]]["input"]
        required = name in inputs["required"]
        type_, *rest = inputs["required" if required else "optional"][name]
        options = dict(rest[0]) if rest else {}
        return (
            ("COMBO", {**options, "options": type_}, required)
            if isinstance(type_, list)
            else (type_, options, required)
        )

    def _changed(self, node: str, name: str, value: object, verdict: Verdict, **more: Any) -> Mutation:
        prompt = whole(node)
        prompt[node]["inputs"][name] = value
        return Mutation(prompt, node, name, value, verdict, **more)

    def _without(self, node: str, name: str, required: bool) -> Mutation:
        prompt = whole(node)
        del prompt[node]["inputs"][name]
        return Mutation(prompt, node, name, "nothing", Verdict.WRONG if required else Verdict.RIGHT)

    def _broken_link(self, node: str, name: str) -> Mutation:
        value = self._random.choice([["nowhere", 0], ["images", 99], [5, 0], ["images", "x"], ["images", None]])
        mutation = self._changed(node, name, value, Verdict.WRONG, linked=True, core=True)
        mutation.prompt.setdefault("images", {"class_type": "EmptyImage", "inputs": NODES["images"][1]})
        return mutation

    def _linked(self, node: str, name: str, type_: str, options: dict[str, Any]) -> Mutation:
        if type_ == "STRING":
            value, verdict = self._text(name)
            value = value if isinstance(value, str) else "x"
            verdict = Verdict.EITHER if value == "x" and name == "prompt" else verdict
        else:
            numbers = [-5, -1, 0, 1, 2, 3, 5, 70, 5000, 20_000, 10**15]
            numbers = numbers if type_ == "INT" else [*numbers, math.nan, 0.5, 1e-9, 3.5, -0.5, 1e15]
            value = self._random.choice(_quick(name, numbers))
            verdict = _within(name, value, options)
            if verdict is Verdict.WRONG and name not in STRICT and value == value:
                verdict = Verdict.EITHER
        kind = {"INT": "PrimitiveInt", "FLOAT": "PrimitiveFloat", "STRING": "PrimitiveString"}[type_]
        mutation = self._changed(node, name, ["value", 0], verdict, linked=True)
        mutation.prompt["value"] = {"class_type": kind, "inputs": {"value": value}}
        return Mutation(mutation.prompt, node, name, value, verdict, linked=True)

    def _value(
        self, node: str, name: str, type_: str, options: dict[str, Any], required: bool
    ) -> tuple[object, Verdict]:
        if type_ == "COMBO":
            right = self._random.random() < 0.15
            value = self._random.choice(options["options"] if right else CHOICES)
            fits = value in options["options"] and (node, value) != ("scorer", "vqascore")  # its folder holds a CLIP
            if (name, value) == NEEDS_MORE:
                return value, Verdict.EITHER
            return value, Verdict.RIGHT if fits else Verdict.WRONG
        if type_ == "STRING":
            return self._text(name)
        if type_ == "BOOLEAN":
            return self._random.choice(
                [True, False, 0, "x", None, 1e308, {}]
            ), Verdict.EITHER  # a baseline has no schedule
        if type_ in ("INT", "FLOAT"):
            value = self._random.choice(_quick(name, NUMBERS))
            try:
                number = (int if type_ == "INT" else float)(_unwrapped(value))  # type: ignore[call-overload]
            except (ValueError, TypeError, OverflowError):
                return value, Verdict.WRONG
            return value, _within(name, number, options)
        value = self._random.choice(WIRES)
        return value, Verdict.RIGHT if value is None and not required else Verdict.WRONG

    def _text(self, name: str) -> tuple[object, Verdict]:
        pool = {"lambdas": LISTS, "curve": CURVES}.get(name)
        if pool is None:
            return self._random.choice(["a", "x" * 9999, "\0", "\u03bb", 5, None]), Verdict.RIGHT
        right = self._random.random() < 0.2
        if not right and self._random.random() < 0.4:
            return self._scrambled(
                self._random.choice([text for text in pool[True] if isinstance(text, str)])
            ), Verdict.EITHER
        return self._random.choice(pool[right]), Verdict.RIGHT if right else Verdict.WRONG

    def _scrambled(self, text: str) -> str:
        """A few characters taken out, put in or doubled."""
        letters = list(text)
        for _ in range(self._random.randint(1, 3)):
            at = self._random.randrange(len(letters) + 1)
            letters[at : at + self._random.randint(0, 1)] = self._random.choice(
                ["", "-", ".", ",", "[", "]", "e", "9", "x", ":", " ", "\u0663"]
            )
        return "".join(letters)


def _quick(name: str, numbers: list[Any]) -> list[Any]:
    """Without numbers of steps or images that are right and take long."""
    slow = {"steps": 3, "budget": 26}.get(name)
    return [n for n in numbers if slow is None or not (isinstance(n, int) and slow < n <= 10_000)]


def _unwrapped(value: object) -> object:
    return value["__value__"] if isinstance(value, dict) and "__value__" in value else value


def _within(name: str, number: float, options: dict[str, Any]) -> Verdict:
    """Whether a number is within the limits that the server says; what the values of two inputs make together counts too."""
    if not options.get("min", -math.inf) <= number <= options.get("max", math.inf):
        return Verdict.WRONG
    if (name == "lowest" and number > 0.99) or (name == "highest" and number < 0.01):
        return Verdict.WRONG
    if name == "denoise" and 0 < number < 1e-4:
        return Verdict.WRONG
    if (name == "target_beta" and 5000 / number > 3) or (
        name == "trained_beta" and "default" in options and options["default"] and number > 15_000
    ):
        return Verdict.WRONG
    return Verdict.RIGHT

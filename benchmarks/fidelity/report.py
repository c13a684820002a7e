"""benchmarks/fidelity.md: the benchmark's tables in plain words."""

from __future__ import annotations

import apart
import closed_form
import drift
import plan
import tables
import torch
import training
from comparison import Bootstrap, estimate
from evaluate import BASELINES, HACKED, LONGER, MAIN, METRICS, REALIGNED, RETRAINED, SEEDS, Setting

INNER = (0.25, 0.5, 0.75)
COMPARED = (REALIGNED, *BASELINES)

INTRODUCTION = f"""# Does λ stand for a model trained at β / λ?

Written by `make fidelity`, from training to this page. A UNet of ComfyUI's own class (1.4 M parameters) learns to draw captioned
images of 12x12 pixels in warmer or cooler light; no caption mentions the light, and 8 % of the images show another caption.
From it, Diffusion-DPO trains models at {len(plan.LAMBDAS)} betas with {len(SEEDS)} seeds each, on pairs of the reference's own samples. The reward is
warmth, in the reference's standard deviations, and never looks at the caption. The anchor is β = {plan.ANCHOR:g}: it is sampled at every λ
together with the reference, and compared with the model that was really trained at β / λ, from the same noise, by ComfyUI's own
samplers (no guidance, cfg 1). "Shows its caption" is what a separate classifier believes. KL is the pack's own estimate in nats.

Two shortcuts are compared as well, at the same λ: *weights interpolated*, reference + λ (anchor - reference), and *LoRA scaled*, the
anchor's change of weights reduced to a LoRA of rank 8 by SVD (no training of its own), at strength λ. Intervals are 95 %, by
bootstrap over the noise, shared between models; how trainings vary is not in them. Errors are means over all pairs of an anchor and a retrained model
({len(SEEDS)} x {len(SEEDS)} seeds); the *noise floor* is how far the retrained models of two seeds are from each other: no method can be told
to be better than that. Raw numbers: [means](fidelity/means.csv), [errors](fidelity/errors.csv), [every sample](fidelity/samples.csv)
and [closed forms](fidelity/closed_form.csv)."""

APART = """## How far from the retrained model itself

KL in nats from the model retrained at β / λ, along the samples: the engine's estimate with the retrained model as its reference.
The anchor comes from one seed and the retrained model from the other; the noise floor is the retrained model of the one seed
against that of the other."""

DRIFT = f"""## What λ scales and what a training does

The difference to the reference of each retrained model, at one noise level (step {drift.TIME} of {training.TIMES}) on noised reference samples, split
into a shift along the reward and the rest, both as a share of the anchor's. The shift is what λ says. The rest is not: it follows
√λ: a preference can also be met by denoising the losing image worse, which enters the loss as β times the square of that error, so
that the error it needs goes as 1/√β. (The last column compares the coldest third of the images with the warmest third.)
Realigning scales everything by λ; so below 1 it has the retrained model's reward with less of this side effect, and less KL,
and above 1 it has more of it."""

CLOSED = """## Where the truth is known in closed form

Mixtures of Gaussians with their exact denoisers, and rewards for which p_ref exp(r / β) is such a mixture again: no training, so what is
left is the approximation alone. Each cell: error of the mean reward in % of the range from reference to anchor, then energy
distance to the exact optimum in % of the reference's. For one Gaussian and a linear reward λ is exact; `tests/method/test_gaussian_truth.py`
holds it to that for eps, v and flow models under four samplers. Elsewhere D_λ is a straight line where the exact denoiser bends
(by the third cumulant of image and reward): too little reward inside (0, 1), too much beyond 1, and most where
alignment moves mass between modes that lie apart. Samplers that add noise err less than samplers that do not."""


def lines(
    found: dict[Setting, Bootstrap],
    lab: plan.Lab,
    longer: Bootstrap,
    distances: apart.Results,
    parts: dict[float, drift.Drift],
) -> list[str]:
    """All but the closed forms and the durations. longer: of the models trained for plan.LONGER steps."""
    main = found[MAIN]
    return [
        INTRODUCTION,
        "",
        *_short(found),
        "",
        "![Reward and caption fidelity against lambda, reward against KL](fidelity/paths.png)",
        "",
        *_models(main, lab),
        "",
        *_summary({setting: bootstrap for setting, bootstrap in found.items() if setting.anchor == 1.0}),
        "",
        *_weights(lab),
        "",
        f"## Error for each λ ({_name(MAIN)})",
        "",
        "Signed error, then mean absolute error, both in % of the range. λ above 1 is less regularised than the anchor was trained.",
        *_by_lambda(main),
        "",
        "![Absolute errors for each lambda](fidelity/errors.png)",
        "",
        "Samples from the same noise, λ = 0 at the top, then 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2; realigned on the left, retrained on the right:",
        "",
        "![Realigned and retrained samples](fidelity/strip.png)",
        "",
        f"## From an anchor that is already unusable (β = {HACKED.beta(1.0):g})",
        "",
        "The same errors when realigning starts from the models trained at half that β. Their captions are lost; smaller λ bring them back.",
        *_by_lambda(found[HACKED]),
        "",
        APART,
        "",
        *apart.markdown(distances),
        "",
        DRIFT,
        "",
        *drift.markdown(parts),
        "",
        *_convergence(main, longer),
    ]


def _short(found: dict[Setting, Bootstrap]) -> list[str]:
    """The main figures in a list."""
    inside = [bootstrap for setting, bootstrap in found.items() if setting.anchor == 1.0]
    text = [
        "In short, mean absolute error for λ in 0.25, 0.5, 0.75, in % of the range from reference to anchor, over all samplers:",
        "",
    ]
    for metric in METRICS:
        spans = []
        for method in (*COMPARED, None):
            shares = [(100 * _total(one, metric, method) / one.range(metric))[0].item() for one in inside]
            spans.append(f"{method or 'noise floor'} {min(shares):.1f} to {max(shares):.1f}")
        text.append(f"* {_TITLES[metric]}: {', '.join(spans)}")
    return text


def _models(main: Bootstrap, lab: plan.Lab) -> list[str]:
    rows = [["∞ (reference)", "0", "", *(f"{estimate(main.reference(metric)):.2f}" for metric in METRICS[:2]), "0"]]
    for strength in main.lambdas:
        cells = [f"{main.averaged(metric, RETRAINED, strength):.2f}" for metric in METRICS]
        rows.append([f"{plan.ANCHOR / strength:.3g}", f"{strength:g}", f"{lab.ideal(strength):.2f}", *cells])
    header = ("β", "λ", "ideal reward", "reward", "shows its caption", "KL")
    return [
        "## The trained models",
        "",
        f"Sampled with {_name(MAIN)}, {MAIN.count} samples each, mean of the seeds. *Ideal reward* is that of p_ref exp(r / β), from weighted",
        "reference samples, of which none is warmer than about 3. Diffusion-DPO judges single noise levels: it stays short of that optimum",
        "where β is large, and leaves the reference's images where β is small. So β is a strength here, as in every training of",
        "its kind, and λ is held against what training really gives.",
        "",
        *tables.markdown(header, rows),
    ]


def _name(setting: Setting) -> str:
    return f"{setting.sampler.name}, {setting.sampler.steps} steps"


def _summary(found: dict[Setting, Bootstrap]) -> list[str]:
    text = [
        "## Error for λ in 0.25, 0.5, 0.75",
        "",
        "Mean absolute error, in % of the range from reference to anchor and, after the slash, in % of the metric's mean.",
    ]
    for metric in METRICS:
        rows = []
        for setting, bootstrap in found.items():
            cells = [_mae(bootstrap, metric, method) for method in COMPARED]
            rows.append([_name(setting), str(setting.count), *cells, _mae(bootstrap, metric, None)])
        header = (f"{_TITLES[metric]}: sampler", "samples", *COMPARED, "noise floor")
        text += ["", *tables.markdown(header, rows)]
    return text


def _weights(lab: plan.Lab) -> list[str]:
    far = HACKED.anchor
    return [
        f"The anchor's weights are {100 * lab.changed(1.0):.1f} % away from the reference's (Euclidean; {100 * lab.changed(far):.1f} % at β = {HACKED.beta(1.0):g}). "
        "Over so short a way the network is nearly linear in its",
        "weights, and then interpolating weights is nearly the same as mixing predictions. It need not be so for other pairs.",
    ]


_TITLES = {"reward": "reward", "fidelity": "shows its caption", "kl": "KL"}


def _mae(bootstrap: Bootstrap, metric: str, method: str | None) -> str:
    total = _total(bootstrap, metric, method)
    of_range = estimate(100 * total / bootstrap.range(metric))
    of_mean = (100 * total / bootstrap.scale(metric))[0].item()
    return f"{of_range:.1f} / {of_mean:.1f}"


def _total(bootstrap: Bootstrap, metric: str, method: str | None) -> torch.Tensor:
    """Mean absolute error over INNER; of no method: the noise floor."""

    def error(strength: float) -> torch.Tensor:
        return bootstrap.floor(metric, strength) if method is None else bootstrap.absolute(metric, method, strength)

    return bootstrap.over(INNER, error)


def _by_lambda(bootstrap: Bootstrap) -> list[str]:
    """A table for each metric, a row for each lambda."""
    text: list[str] = []
    methods = (REALIGNED, *bootstrap.setting.baselines)
    for metric in METRICS:
        scale = 100 / bootstrap.range(metric)
        rows = []
        for strength in bootstrap.lambdas:
            if strength == 1.0:
                continue
            cells = [_cell(bootstrap, metric, method, strength, scale) for method in methods]
            floor = f"{estimate(bootstrap.floor(metric, strength) * scale):.1f}"
            rows.append([f"{strength:g}", f"{bootstrap.setting.beta(strength):.3g}", *cells, floor])
        text += ["", *tables.markdown((f"{_TITLES[metric]}: λ", "β", *methods, "noise floor"), rows)]
    return text


def _cell(bootstrap: Bootstrap, metric: str, method: str, strength: float, scale: torch.Tensor) -> str:
    signed = (bootstrap.signed(metric, method, strength) * scale)[0].item()
    return f"{signed:+.1f}, {estimate(bootstrap.absolute(metric, method, strength) * scale):.1f}"


def _convergence(main: Bootstrap, longer: Bootstrap) -> list[str]:
    rows = []
    for strength in plan.LONGER_AT:
        for steps, bootstrap, method in ((training.ALIGNED_STEPS, main, RETRAINED), (plan.LONGER, longer, LONGER)):
            cells = [f"{estimate(bootstrap.mean(metric, method, strength, 0)):.2f}" for metric in METRICS]
            rows.append([f"{plan.ANCHOR / strength:g}", str(steps), *cells])
    return [
        "## Had the models converged?",
        "",
        "Two models of seed 0 trained again for twice the steps (the rate falls as a cosine to the end of each).",
        "",
        *tables.markdown(("β", "steps", "reward", "shows its caption", "KL"), rows),
    ]


def closed(results: closed_form.Results) -> list[str]:
    return ["", CLOSED, "", *closed_form.markdown(results)]


def took(seconds: dict[str, float]) -> list[str]:
    rows = [[stage, f"{spent / 60:.0f}"] for stage, spent in seconds.items()]
    total = sum(seconds.values()) / 60
    return [
        "",
        "## What it took",
        "",
        f"Minutes of one CPU core, about {total:.0f} in all; {len(plan.LAMBDAS) * len(SEEDS)} Diffusion-DPO runs of {training.ALIGNED_STEPS} steps of "
        f"{training.BATCH // 2} pairs. Of the retrained models only the {len(SEEDS)} anchors are needed to sample at any λ.",
        "",
        *tables.markdown(("stage", "minutes"), rows),
    ]

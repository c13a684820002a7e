"""Nodes of Temporal Alignment Guidance: load a time predictor, apply it to a MODEL, and measure the time gap of a run."""

from __future__ import annotations

import math
import statistics
from pathlib import Path

import folder_paths
from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io

from .checked import checked
from .engine.temporal import MOST_STRENGTH, align_in_time
from .engine.time_gap import watched
from .inputs import denoise_input, latent_output, refusal, seed_input, steps_to_latent, window_inputs, window_of
from .method.limits import quoted
from .method.predictor_card import TimePredictor
from .report import gap_report
from .runs import predictor_files
from .runs.predictor_files import FOLDER
from .runs.sampling import Settings, sample
from .schema import PredictorType, schema
from .train_predictor import PLACE, predictor_output


def _predictor_input() -> io.Input:
    return PredictorType.Input(
        "predictor", tooltip="From Load Time Predictor or Train Time Predictor; trained on the latents of this MODEL."
    )


def _files() -> list[str]:
    return [name for name in folder_paths.get_filename_list(FOLDER) if name.lower().endswith(".safetensors")]


class DeRaDiffLoadTimePredictor(io.ComfyNode):
    """A file -> TIME_PREDICTOR."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DeRaDiffLoadTimePredictor",
            display_name="Load Time Predictor (experimental) (DeRaDiff)",
            category=PLACE,
            search_aliases=["temporal alignment guidance", "noise level predictor"],
            description="Load a time predictor that Train Time Predictor wrote. It serves every model with the latents and the kind of noise that it "
            "was trained on.",
            inputs=[
                io.Combo.Input(
                    "name",
                    options=_files(),
                    tooltip="A file in models/deradiff_time_predictors, from Train Time Predictor.",
                )
            ],
            outputs=[predictor_output()],
        )

    @classmethod
    def execute(cls, name: str) -> io.NodeOutput:
        path = folder_paths.get_full_path(FOLDER, name) if isinstance(name, str) and name else None
        if path is None:
            raise ValueError(
                f"name: models/{FOLDER} holds no {quoted(name)}. Choose a file from the list, or train one by Train Time Predictor."
            )
        return io.NodeOutput(predictor_files.load(Path(path), "name"))


class DeRaDiffTemporalAlignment(io.ComfyNode):
    """align_in_time(model, predictor, strength) -> MODEL."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DeRaDiffTemporalAlignment",
            display_name="Temporal Alignment (experimental) (DeRaDiff)",
            category=PLACE,
            search_aliases=["temporal alignment guidance", "manifold"],
            description="Move every prediction towards where the latent looks as noisy as it should at this step (Temporal Alignment Guidance, arXiv "
            "2510.11057). Meant for strong guidance and for lambda above 1, which push latents off; guidance itself is unchanged.",
            inputs=[
                io.Model.Input("model", tooltip="Any MODEL; with Realign Model, before or after it."),
                _predictor_input(),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=MOST_STRENGTH,
                    step=0.01,
                    tooltip="How far predictions are moved (omega); 0 changes nothing. It falls with the noise by itself, as 1 - alphabar does.",
                ),
                *window_inputs(
                    "Progress before which it does not act; 0 is pure noise.",
                    "Progress after which it does not act; 1 is the finished image.",
                ),
            ],
            outputs=[
                io.Model.Output(
                    "model_out",
                    display_name="model",
                    tooltip="Connect it to a sampler, a guidance patch or Realign Model.",
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, start_percent: float | None = None, end_percent: float | None = None) -> bool | str:
        """When the prompt is queued. None: another node will give the value."""
        return refusal(lambda: window_of(start_percent, end_percent))

    @classmethod
    @checked
    def execute(
        cls, model: ModelPatcher, predictor: TimePredictor, strength: float, start_percent: float, end_percent: float
    ) -> io.NodeOutput:
        return io.NodeOutput(align_in_time(model, predictor, strength, window_of(start_percent, end_percent)))


class DeRaDiffTimeGap(io.ComfyNode):
    """KSampler that also measures the time gap."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DeRaDiffTimeGap",
            display_name="Time Gap (experimental) (DeRaDiff)",
            category=PLACE,
            search_aliases=["temporal alignment guidance", "off manifold"],
            description="KSampler that also tells how far the latents look from as noisy as they should be at each step. The image is KSampler's, to "
            "the bit.",
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="Any MODEL: plain, realigned, or with Temporal Alignment. Compare the gaps of several.",
                ),
                _predictor_input(),
                seed_input("seed"),
                *steps_to_latent(),
                denoise_input(),
            ],
            outputs=[
                latent_output(),
                io.Float.Output(
                    "gap",
                    display_name="time gap",
                    tooltip="The mean over steps and samples of the absolute difference between predicted and true noise level, in log(noise / signal).",
                ),
                io.Image.Output("plot", display_name="plot", tooltip="The gap of each step."),
                io.String.Output("table", display_name="table", tooltip="The gap of each step, tab-separated."),
            ],
        )

    @classmethod
    @checked
    def execute(
        cls,
        model: ModelPatcher,
        predictor: TimePredictor,
        seed: int,
        steps: int,
        cfg: float,
        sampler_name: str,
        scheduler: str,
        positive: list,
        negative: list,
        latent_image: dict,
        denoise: float,
    ) -> io.NodeOutput:
        settings = Settings(seed, steps, cfg, sampler_name, scheduler, denoise)
        clone, record = watched(model, predictor)
        out = sample(clone, settings, positive, negative, latent_image)
        gaps = record.read()
        mean = statistics.fmean(gap.size for gap in gaps) if gaps else math.nan
        return io.NodeOutput(out, mean, gap_report.plot(gaps), gap_report.table(gaps))


NODES = [DeRaDiffLoadTimePredictor, DeRaDiffTemporalAlignment, DeRaDiffTimeGap]

"""The pack's wire types, and io.Schema as every supported ComfyUI takes it."""

from __future__ import annotations

import dataclasses
from typing import Any

from comfy_api.latest import io

CATEGORY = "DeRaDiff"
ScheduleType = io.Custom("LAMBDA_SCHEDULE")
SweepType = io.Custom("LAMBDA_SWEEP")
ScoresType = io.Custom("SCORES")
ScorerType = io.Custom("SCORER")
PredictorType = io.Custom("TIME_PREDICTOR")


def schema(**fields: Any) -> io.Schema:
    """io.Schema without the fields that this ComfyUI does not have yet (an unknown one would keep the whole pack from loading)."""
    known = {field.name for field in dataclasses.fields(io.Schema)}
    return io.Schema(**{name: value for name, value in fields.items() if name in known})


def advanced(shown: io.Input) -> io.Input:
    """The input among a node's advanced ones, which ComfyUI's page folds away."""
    shown.extra_dict = {**(shown.extra_dict or {}), "advanced": True}  # older ComfyUI has no argument for it
    return shown

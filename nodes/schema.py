"""Small helpers for V3 schemas that must come out right on every supported ComfyUI."""

from __future__ import annotations

import dataclasses
from typing import Any

from comfy_api.latest import io

CATEGORY = "DeRaDiff"
ScheduleType = io.Custom("LAMBDA_SCHEDULE")


def schema(**fields: Any) -> io.Schema:
    """io.Schema without the fields that this ComfyUI does not have yet (an unknown one would lose the whole pack)."""
    known = {field.name for field in dataclasses.fields(io.Schema)}
    return io.Schema(**{name: value for name, value in fields.items() if name in known})

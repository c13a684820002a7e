"""What a node tells ComfyUI's page: messages while it runs, and with its outputs what its run was (js/run, js/lambda)."""

from __future__ import annotations

import sys
from typing import Any

from comfy_execution.utils import get_executing_context

from .engine.warned import Warnings

RUN = "deradiff_run"
FOUND = "deradiff_found"


def of_run(warnings: Warnings, **values: Any) -> dict[str, list[dict[str, Any]]]:
    """The `ui` of a node that has run. values: what else there is to say, as JSON."""
    return {RUN: [{**values, "warnings": warnings.texts}]}


def warn(texts: list[str]) -> None:
    """Tell the page what the run of a node that is not the pack's warned of."""
    _tell("deradiff_warned", {"warnings": texts})


def stage(values: dict[str, Any]) -> None:
    """Tell the page how far the node is that runs now."""
    _tell("deradiff_stage", values)


def found(values: dict[str, Any]) -> None:
    """Tell the page what the search that runs now has found so far."""
    _tell(FOUND, values)


def text(said: str) -> None:
    """A line on the node that runs now, by core's own means."""
    server, running = _server(), get_executing_context()
    if server is not None and running is not None:
        server.send_progress_text(said, running.node_id)


def _tell(event: str, values: dict[str, Any]) -> None:
    """Send a message about the node that runs now to the page that queued it. Without page or node there is nobody to tell."""
    server, running = _server(), get_executing_context()
    if server is not None and running is not None:
        server.send_sync(event, {"node": running.node_id, **values}, server.client_id)


def _server() -> Any | None:
    """ComfyUI's PromptServer; None in a process that serves no page, where its module cannot even be imported."""
    return getattr(getattr(sys.modules.get("server"), "PromptServer", None), "instance", None)

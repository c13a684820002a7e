"""One resumable, seeded CPU training: where ComfyUI is found, initial weights, snapshots and the learning rate."""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

WEIGHTS = Path(__file__).resolve().parent.parent / "weights"


def use_comfyui() -> None:
    """Put the ComfyUI of COMFYUI_PATH on the path, in CPU mode. Must run before anything imports comfy.model_management."""
    sys.path.insert(0, os.environ["COMFYUI_PATH"])
    import comfy.options

    comfy.options.enable_args_parsing(False)
    from comfy.cli_args import args

    args.cpu = True


def use_pack() -> None:
    """Import this checkout as the package `deradiff`, as ComfyUI imports custom nodes. Must run after use_comfyui()."""
    root = Path(__file__).resolve().parents[2]
    spec = importlib.util.spec_from_file_location(
        "deradiff", root / "__init__.py", submodule_search_locations=[str(root)]
    )
    assert spec is not None and spec.loader is not None
    sys.modules["deradiff"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["deradiff"])


def arguments(description: str, steps: int) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--work", type=Path, required=True, help="folder for snapshots and data")
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(options.seed)
    return options


def initialise(module: torch.nn.Module) -> None:
    """Give ComfyUI's layers, which come uninitialised, torch's default initial weights."""
    for layer in module.modules():
        for kind in (torch.nn.Linear, torch.nn.Conv2d, torch.nn.GroupNorm, torch.nn.LayerNorm):
            if isinstance(layer, kind):
                kind.reset_parameters(layer)


def rate(step: int, steps: int, peak: float, warm_up: int = 200) -> float:
    """Linear warm-up, then cosine decay to a twentieth of the peak."""
    if step < warm_up:
        return peak * (step + 1) / warm_up
    progress = (step - warm_up) / max(1, steps - warm_up)
    return peak * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * progress)))


class Average:
    """Exponential moving average of a module's parameters."""

    def __init__(self, module: torch.nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = {name: value.detach().clone() for name, value in module.named_parameters()}

    @torch.no_grad()
    def update(self, module: torch.nn.Module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in module.named_parameters():
            self.values[name].lerp_(value, 1 - decay)


def train(
    name: str,
    module: torch.nn.Module,
    parameters: list[torch.nn.Parameter],
    loss_at: Callable[[int], torch.Tensor],
    options: argparse.Namespace,
    peak: float,
    decay: float = 0.999,
) -> dict[str, torch.Tensor]:
    """Run AdamW until options.steps, snapshotting every 250 steps; resumes from the last snapshot.

    loss_at(step) must draw its batch from a generator seeded by the step, so that a resumed run equals an unbroken one.
    Returns the averaged parameters.
    """
    snapshot = options.work / f"{name}.snapshot.pt"
    optimiser = torch.optim.AdamW(parameters, lr=peak, weight_decay=0.01)
    average = Average(module, decay)
    first = 0
    if snapshot.exists():
        state = torch.load(snapshot, weights_only=True)
        module.load_state_dict(state["module"])
        optimiser.load_state_dict(state["optimiser"])
        average.values, first = state["average"], state["step"]
    begin, running = time.monotonic(), None
    for step in range(first, options.steps):
        for group in optimiser.param_groups:
            group["lr"] = rate(step, options.steps, peak)
        loss = loss_at(step)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        average.update(module, step)
        running = loss.item() if running is None else 0.98 * running + 0.02 * loss.item()
        done = step + 1
        if done % 25 == 0:
            seconds = (time.monotonic() - begin) / (done - first)
            sys.stdout.write(f"{name} {done}/{options.steps} loss {running:.5f} {seconds:.3f} s/step\n")
            sys.stdout.flush()
        if done % 250 == 0 or done == options.steps:
            state = {
                "module": module.state_dict(),
                "optimiser": optimiser.state_dict(),
                "average": average.values,
                "step": done,
            }
            torch.save(state, snapshot.with_suffix(".tmp"))
            os.replace(snapshot.with_suffix(".tmp"), snapshot)
    return average.values

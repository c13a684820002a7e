"""Everything that only a GPU shows, in one command: whether the promises hold on it, in every mode of memory, and what realigning costs.
Run by `make gpu`, on any ComfyUI, with models that are made on the spot; writes benchmarks/gpu.md with the card's name.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

MODES = ("normal", "lowvram", "novram", "dynamic")
HERE = Path(__file__).resolve().parent
FAILED = "failed"

SDXL = {
    "num_res_blocks": [2, 2, 2],
    "channel_mult": [1, 2, 4],
    "transformer_depth": [0, 0, 2, 2, 10, 10],
    "transformer_depth_middle": 10,
    "transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10],
}
SIZES: dict[str, tuple[str, str, int]] = {  # name: the class, what it is, the latent's side
    "small": ("sd15", "13.6 M parameters, 128 px", 16),
    "sd15": ("sd15", "SD1.5's own 860 M parameters, 512 px", 64),
    "sdxl": ("sdxl", "SDXL's own 2.6 B parameters, 1024 px", 128),
}


def kept(device: str) -> list[dict]:
    """The promises in this process, as ComfyUI was started."""
    import promises
    import torch

    precisions = promises.PRECISIONS if device == "cuda" else {"fp32": torch.float32}
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        return [vars(promise) for promise in promises.promises(Path(folder), precisions)]


def cost(name: str, steps: int, rounds: int) -> list[str]:
    """A row of the cost table for each way to realign, with the peak of the card's memory."""
    import cost as table
    import torch
    from subjects import subjects
    from support import standins

    kind, title, side = SIZES[name]
    network = {"small": standins.SMALLEST, "sd15": table.FULL, "sdxl": SDXL}[name]
    with torch.inference_mode():
        trio, task = table.stand_ins(network, side, 8, kind)
        size = table.Size(title, lambda: (trio, task), (steps,), rounds)
        found = subjects(trio, task(steps))
        rows = table.rows(size, found, steps)
        peaks = [_peak(subject.sample) for subject in found]
    return [f"{row} {peak} |" for row, peak in zip(rows, peaks, strict=True)]


def _peak(sample: Callable[[], object]) -> str:
    import torch

    if not torch.cuda.is_available():
        return "no GPU"
    gc.collect()
    torch.cuda.reset_peak_memory_stats()
    sample()
    return f"{torch.cuda.max_memory_allocated() / 2**30:.2f} GiB"


def _in_mode(mode: str, device: str, *arguments: str) -> str:
    """What this script prints in a process of its own, whose ComfyUI is in this mode of memory; why there is nothing otherwise."""
    environment = {**os.environ, "DERADIFF_TEST_DEVICE": device, "DERADIFF_TEST_MODE": mode}
    command = [sys.executable, str(HERE / "gpu.py"), "--device", device, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8", check=False)
    if done.returncode == 0:
        return done.stdout.strip().rpartition("\n")[2]
    said = (done.stderr.strip().splitlines() or ["no message"])[-1]
    return json.dumps({FAILED: said})


def report(device: str, modes: tuple[str, ...], sizes: list[str], steps: int, rounds: int) -> list[str]:
    """The page's lines."""
    import torch

    card = torch.cuda.get_device_name() if device == "cuda" else "no GPU (the CPU)"
    lines = [
        "# On a GPU",
        "",
        f"Measured by `make gpu` on {card}, torch {torch.__version__}, ComfyUI at its defaults but for the mode that is named.",
        "",
        "| mode | promise | figure | kept |",
        "|---|---|---|---|",
    ]
    for mode in modes:
        found = json.loads(_in_mode(mode, device, "--promises"))
        if isinstance(found, dict):
            lines.append(f"| {mode} | | {found[FAILED]} | could not be tried |")
            continue
        lines += [f"| {mode} | {p['name']} | {p['figure']:.3g} | {'yes' if p['kept'] else '**no**'} |" for p in found]
    if sizes:
        lines += [
            "",
            "| model | how | time / one model | time / (reference + aligned) | evaluations | weight bytes | peak |",
        ]
        lines += ["|---|---|---|---|---|---|---|"]
    for name in sizes:
        rows = json.loads(_in_mode("normal", device, "--cost", name, "--steps", str(steps), "--rounds", str(rounds)))
        lines += [f"| {SIZES[name][1]} | {rows[FAILED]} | | | | | |"] if isinstance(rows, dict) else rows
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--sizes", nargs="*", choices=SIZES, default=list(SIZES))
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=HERE / "gpu.md")
    parser.add_argument("--promises", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--cost", choices=SIZES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.promises or options.cost:
        import conftest  # noqa: F401  starts ComfyUI on the device and in the mode that the environment names

        part = kept(options.device) if options.promises else cost(options.cost, options.steps, options.rounds)
        sys.stdout.write("\n" + json.dumps(part) + "\n")
        return
    import torch

    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("this Python's PyTorch sees no CUDA device. Name one that does: PYTHON=/path/to/python make gpu")
    text = "\n".join(report(options.device, tuple(options.modes), options.sizes, options.steps, options.rounds)) + "\n"
    options.out.write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()

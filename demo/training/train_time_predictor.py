"""Train the demo pair's time predictor, by the pack's own training, on latents of the drawings.
Run by `make train` after the reference; resumable. Writes weights/time_predictor.safetensors (2 MB).
"""

from __future__ import annotations

import shutil
import sys
import time

import data
import session

DRAWINGS = 4_800
BATCH = 32
RATE = 1e-4


def main() -> None:
    options = session.arguments(__doc__, steps=20_000)
    session.use_comfyui()
    session.use_pack()
    import comfy.model_sampling
    from deradiff.nodes.method.noise_level import level_range, signal_at_even_noise
    from deradiff.nodes.method.predictor_card import Space
    from deradiff.nodes.method.time_predictor import Bins
    from deradiff.nodes.runs import predictor_files
    from deradiff.nodes.runs.predictor_training import Task, train

    class Sampling(comfy.model_sampling.ModelSamplingDiscrete, comfy.model_sampling.EPS):
        """SD1.5's, as core gives it to the checkpoint."""

    latents, _ = data.reference_set(options.work, DRAWINGS, options.seed)
    sampling = Sampling()
    space = Space("SD15", latents.shape[1], signal_at_even_noise(sampling))
    bins = Bins(*level_range(sampling))
    task = Task([latents], sampling, space, bins, options.steps, BATCH, RATE, options.seed)
    begin = time.monotonic()

    def say(text: str) -> None:
        if text.split(" of ")[0].endswith("00"):
            sys.stdout.write(f"{text}, {time.monotonic() - begin:.0f} s\n")
            sys.stdout.flush()

    snapshot = options.work / "time_predictor.safetensors"
    train(task, snapshot, predictor_files.load(snapshot, "work") if snapshot.exists() else None, say)
    shutil.copyfile(snapshot, session.WEIGHTS / snapshot.name)


if __name__ == "__main__":
    main()

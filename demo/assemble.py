"""Turn the shipped weights into the files a person would have: one checkpoint, one LoRA, a time predictor and the folder of one scorer.
The untrained text encoder is generated here, from a frozen stream.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save_file

TRAINING = Path(__file__).resolve().parent / "training"
WEIGHTS = Path(__file__).resolve().parent / "weights"
CHECKPOINT = "deradiff_demo.safetensors"
LORA = "deradiff_demo_dpo.safetensors"
JUDGE = "caption_judge"
PREDICTOR = "deradiff_demo_time.safetensors"


def _digest() -> str:
    parts = [WEIGHTS / "reference.safetensors", WEIGHTS / "autoencoder.safetensors", TRAINING / "networks.py"]
    return hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()


def _up_to_date(path: Path) -> bool:
    if not path.exists():
        return False
    with safe_open(path, framework="pt") as file:
        return (file.metadata() or {}).get("digest") == _digest()


def assemble(models: Path) -> None:
    """Write checkpoints/deradiff_demo.safetensors, loras/deradiff_demo_dpo.safetensors, deradiff_scorers/caption_judge/ and
    deradiff_time_predictors/deradiff_demo_time.safetensors below ComfyUI's `models` folder.

    The checkpoint (about 290 MB, most of it the text encoder) is only written where it is missing or stale.
    """
    sys.path.insert(0, str(TRAINING))
    import fp8
    import networks

    checkpoint = models / "checkpoints" / CHECKPOINT
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    if not _up_to_date(checkpoint):
        weights = {
            f"model.diffusion_model.{name}": value
            for name, value in fp8.load(WEIGHTS / "reference.safetensors").items()
        }
        weights |= {
            f"first_stage_model.{name}": value for name, value in load_file(WEIGHTS / "autoencoder.safetensors").items()
        }
        weights |= networks.text_encoder()
        save_file(weights, checkpoint, metadata={"digest": _digest()})
    loras = models / "loras"
    loras.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(WEIGHTS / "aligned_lora.safetensors", loras / LORA)
    put_helpers(models)


def put_helpers(models: Path) -> None:
    """Copy the scorer and the time predictor, which serve as they are, below ComfyUI's `models` folder."""
    shutil.copytree(WEIGHTS / JUDGE, models / "deradiff_scorers" / JUDGE, dirs_exist_ok=True)
    predictors = models / "deradiff_time_predictors"
    predictors.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(WEIGHTS / "time_predictor.safetensors", predictors / PREDICTOR)

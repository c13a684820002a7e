"""Scorers that are refused, as they need code from elsewhere or are programs themselves."""

from __future__ import annotations

from pathlib import Path

_CODE = "needs its own code, which this pack does not run"
_PICKLE = "is a pickled program, which could do anything when it is opened"
_KNOWN = {  # a part of a file's name, in lower case: the scorer, and why not
    "hpsv3": ("HPSv3", _CODE),
    "imagereward": ("ImageReward", _CODE),
    "med_config": ("ImageReward", _CODE),
    "mps_overall": ("MPS", _PICKLE),
}


def check(folder: Path) -> None:
    """Raise ValueError if the folder holds a scorer that cannot be supported safely."""
    for path in sorted(folder.iterdir()):
        for mark, (name, reason) in _KNOWN.items():
            if mark in path.name.lower():
                raise ValueError(
                    f"scorer: {folder.name} holds {name} ({path.name}), which {reason}. Use PickScore, HPSv2, CLIPScore, the LAION "
                    "aesthetic predictor, or a vision-language model (VQAScore)."
                )

"""Files of time predictors: safetensors with the network's weights, and its card as metadata."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import comfy.utils
import safetensors
import torch

from ..method.noise_level import HIGHEST, LOWEST
from ..method.predictor_card import Card, Space, TimePredictor
from ..method.time_predictor import Bins, TimeNetwork, build

FOLDER = "deradiff_time_predictors"
_CARD = "deradiff_time_predictor"  # the metadata that makes a file one of ours
_MOST_BINS, _MOST_CHANNELS = 10_000, 4096
_EXPECTED = "a time predictor that was saved by Train Time Predictor"


def save(path: Path, weights: dict[str, torch.Tensor], card: Card) -> None:
    """Write a predictor's weights over what was there, all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    comfy.utils.save_torch_file(weights, str(beside), metadata={_CARD: json.dumps(asdict(card))})
    beside.replace(path)


def load(path: Path, socket: str) -> TimePredictor:
    """The predictor of a file. socket: the input that names it. Raises ValueError for a missing, foreign or damaged file."""
    try:
        with safetensors.safe_open(str(path), framework="pt", device="cpu") as file:
            described = (file.metadata() or {}).get(_CARD)
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  no mapping
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise ValueError(
            f"{socket}: expected {_EXPECTED}, but {path.name} cannot be read, it is empty, incomplete or damaged ({error}). "
            "Train it again, or choose another file."
        ) from error
    if described is None:
        raise _foreign(socket, path, "it was saved by something else")
    card = _card(socket, path, described)
    return TimePredictor(path.name, _network(socket, path, card, weights), card)


def _card(socket: str, path: Path, described: str) -> Card:
    try:
        found = json.loads(described)
        space, bins = Space(**found.pop("space")), Bins(**found.pop("bins"))
        card = Card(space, bins, **found)
        sound = (
            LOWEST - 1e-3 <= bins.low < bins.high <= HIGHEST + 1e-3
            and 2 <= bins.count <= _MOST_BINS
            and 1 <= space.channels <= _MOST_CHANNELS
            and card.iterations >= 0
        )
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise _foreign(socket, path, f"its description cannot be read ({error})") from error
    if not sound:
        raise _foreign(socket, path, "its description holds numbers that no training gives")
    return card


def _network(socket: str, path: Path, card: Card, weights: dict[str, torch.Tensor]) -> TimeNetwork:
    def checked(network: TimeNetwork) -> dict[str, torch.Tensor]:
        wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
        found = {name: tuple(value.shape) for name, value in weights.items()}
        wrong = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        if wrong:
            said = f"{len(wrong)} of its weights are missing, left over or of another size (first {wrong[0]})"
            raise _foreign(socket, path, said)
        if not all(value.isfinite().all() for value in weights.values()):
            raise _foreign(socket, path, "some of its weights are no finite numbers")
        return weights

    return build(card.space.channels, card.bins.count, checked)


def _foreign(socket: str, path: Path, found: str) -> ValueError:
    return ValueError(f"{socket}: expected {_EXPECTED}, but of {path.name} {found}. Choose another file.")

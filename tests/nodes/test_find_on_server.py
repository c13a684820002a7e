"""Find Lambda in a real ComfyUI over its HTTP API: the demo pair end to end, every latent against KSampler (DeRaDiff), cancel and go on."""

from __future__ import annotations

import csv
import io
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import comfyui
import pytest
import torch
from assemble import CHECKPOINT, LORA, assemble
from safetensors.torch import load_file

TEXTS = ("a red circle on a white background", "a blue square on a black background")
RUN = {
    "steps": 2,
    "cfg": 3.0,
    "sampler_name": "euler_ancestral",
    "scheduler": "normal",
    "denoise": 1.0,
    "evaluation": "exact",
}
BEGINS = "| 0/9 ["  # in the log, of a run of nine steps
Prompt = dict[str, Any]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[comfyui.Server]:
    base = tmp_path_factory.mktemp("find")
    comfyui.prepare(base)
    assemble(base / "models")
    with comfyui.Server(base, log=base / "server.log") as started:
        yield started


def _node(node: str, /, **inputs: Any) -> dict[str, Any]:
    return {"class_type": node, "inputs": inputs}


def _loaders(texts: str) -> Prompt:
    return {
        "checkpoint": _node("CheckpointLoaderSimple", ckpt_name=CHECKPOINT),
        "pair": _node("DeRaDiffLoadLoraPair", model=["checkpoint", 0], lora=LORA, strength=1.0),
        "set": _node("DeRaDiffPromptSet", source="typed below", prompts=texts, n=0, seed=0, negative="", column=""),
        "positive": _node("CLIPTextEncode", clip=["checkpoint", 1], text=["set", 0]),
        "negative": _node("CLIPTextEncode", clip=["checkpoint", 1], text=""),
        "latent": _node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "scorer": _node("DeRaDiffLoadScorer", scorer="warmth (built in)", kind="auto"),
    }


_PAIR = {"reference": ["pair", 0], "aligned": ["pair", 1], "latent_image": ["latent", 0]}
_PAIR |= {"positive": ["positive", 0], "negative": ["negative", 0]}


def _search(**changes: Any) -> Prompt:
    inputs = {
        **{**_PAIR, "seed": 3, **RUN, "vae": ["checkpoint", 2], "scorer": ["scorer", 0], "prompt": ["set", 0]},
        **{"lowest": 0.0, "highest": 1.5, "budget": 25, "confidence": 0.95, "indifference": 0.15},
    }
    return {
        **_loaders("\n".join(TEXTS)),
        "find": _node("DeRaDiffFindLambda", **{**inputs, **changes}),
        "csv": _node("PreviewAny", source=["find", 6]),
        "saved": _node("SaveLatent", samples=["find", 7], filename_prefix="found"),
        "best": _node("SaveImage", images=["find", 3], filename_prefix="best"),
        "plot": _node("SaveImage", images=["find", 4], filename_prefix="plot"),
    }


def _alone(text: str, seed: int, strength: float) -> Prompt:
    inputs = {**_PAIR, "seed": seed, **RUN, "lambda": strength}
    return {
        **_loaders(text),
        "sampler": _node("DeRaDiffKSampler", **inputs),
        "saved": _node("SaveLatent", samples=["sampler", 0], filename_prefix="alone"),
    }


class _Said:
    """What the server writes into its log from now on."""

    def __init__(self, server: comfyui.Server) -> None:
        assert server.log is not None
        self._log = server.log
        self._place = server.log.stat().st_size

    def so_far(self) -> str:
        return self._log.read_bytes()[self._place :].decode("utf-8", "replace")

    def wait_for(self, text: str, times: int) -> None:
        until = time.monotonic() + 300
        while self.so_far().count(text) < times:
            assert time.monotonic() < until, self.so_far()
            time.sleep(0.05)


def _queue(server: comfyui.Server, prompt: Prompt) -> str:
    before = set(server.get("/history"))
    server.post("/prompt", {"prompt": prompt})
    return _ended(server, before)


def _ended(server: comfyui.Server, before: set[str]) -> str:
    """The id of the run that ended since."""
    until = time.monotonic() + 300
    while time.monotonic() < until:
        new = set(server.get("/history")) - before
        if new:
            return new.pop()
        time.sleep(0.05)
    raise AssertionError(f"It did not end.{server.tail()}")


def _outputs(server: comfyui.Server, run: str) -> dict[str, Any]:
    entry = server.get(f"/history/{run}")[run]
    assert entry["status"]["status_str"] == "success", entry["status"]["messages"]
    return entry["outputs"]


def _latents(server: comfyui.Server, outputs: dict[str, Any]) -> torch.Tensor:
    (file,) = outputs["saved"]["latents"]
    return load_file(Path(server.base) / "output" / file["subfolder"] / file["filename"])["latent_tensor"]


def test_end_to_end_every_latent_is_the_ksampler_s_to_the_bit(server: comfyui.Server) -> None:
    outputs = _outputs(server, _queue(server, _search()))
    (found,) = outputs["find"]["deradiff_found"]
    rows = list(csv.DictReader(io.StringIO(outputs["csv"]["text"][0])))
    assert len(rows) == found["images"] <= 25 and found["best"] in found["strengths"]
    assert len(outputs["best"]["images"]) in (1, 2) and len(outputs["plot"]["images"]) == 1
    alone = {}
    for row in rows:
        text, strength = TEXTS[int(row["prompt"]) - 1], float(row["lambda"])
        ran = _outputs(server, _queue(server, _alone(text, int(row["seed"]), strength)))
        alone[row["block"], strength] = _latents(server, ran)[0]
    swept = _latents(server, outputs)
    assert swept.shape[0] >= 8
    for latent in swept:
        assert sum(torch.equal(latent, other) for other in alone.values()) == 1


def test_a_cancelled_run_is_gone_on_with_when_queued_again(server: comfyui.Server) -> None:
    prompt = _search(seed=11, steps=9)
    before, said = set(server.get("/history")), _Said(server)
    server.post("/prompt", {"prompt": prompt})
    said.wait_for(BEGINS, times=4)
    server.post("/interrupt", {})
    run = _ended(server, before)
    assert server.get(f"/history/{run}")[run]["status"]["status_str"] == "error"
    said = _Said(server)
    outputs = _outputs(server, _queue(server, prompt))
    (found,) = outputs["find"]["deradiff_found"]
    (kept,) = re.findall(r"The search goes on: (\d+) images", said.so_far())
    assert 3 <= int(kept) < found["images"] <= 25
    assert said.so_far().count(BEGINS) == found["images"] - int(kept)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"highest": 0.0}, "highest must lie above lowest"),
        ({"budget": 3}, "budget"),
        ({"confidence": 0.2}, "confidence"),
    ],
)
def test_a_bad_range_or_budget_is_refused_when_queued(server: comfyui.Server, changes: dict, words: str) -> None:
    with pytest.raises(RuntimeError, match="refused") as refused:
        server.run([_search(**changes)], quiet=True)
    assert words in str(refused.value)


def test_prompts_and_their_texts_that_are_not_as_many(server: comfyui.Server) -> None:
    with pytest.raises(RuntimeError, match="prompt: positive holds 2 conditionings, and there is one text"):
        server.run([_search(prompt="one")], quiet=True)


def test_a_list_where_none_is_taken_is_named(server: comfyui.Server) -> None:
    with pytest.raises(RuntimeError, match="negative: expected one, or one for each of the 1 of positive, got 2"):
        prompt = _search()
        prompt["one"] = _node("CLIPTextEncode", clip=["checkpoint", 1], text="")
        prompt["find"]["inputs"] |= {"positive": ["one", 0], "negative": ["positive", 0], "prompt": ""}
        server.run([prompt], quiet=True)

"""Two thousand prompts with one input changed, through the HTTP API of a real ComfyUI: what is wrong is refused in words that
name the input and say what to do, what is right runs to its end, and the server answers to the last.
"""

from __future__ import annotations

import collections
import http.client
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import comfy.clip_model
import comfy.ops
import comfy.sd1_clip
import pytest
import torch
from safetensors.torch import save_file
from support import checkpoints, mutations, scorer_folders, standins
from support.checkpoints import comfyui
from support.mutations import Mutation, Mutations, Verdict

COUNT = 2_000
SEED = 20_260_120
LONGEST = 120.0  # seconds without a finished prompt: the server hangs
REMEDY = re.compile(
    r"[Ee]xpected|must be|must have|must lie|Choose|Use |Write|Connect|Take|Lower|Load|Download|Enter|Turn|Raise|is empty"
)


def _empty_text_encoder() -> dict[str, torch.Tensor]:
    """A CLIP-L of zeros, which take no room in a file."""
    config = json.loads((Path(comfy.sd1_clip.__file__).parent / "sd1_clip_config.json").read_text(encoding="utf-8"))
    module = comfy.clip_model.CLIPTextModel(config, torch.float16, "meta", comfy.ops.disable_weight_init)
    return {
        name: torch.zeros((), dtype=torch.float16).expand(value.shape) for name, value in module.state_dict().items()
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[comfyui.Server]:
    base = tmp_path_factory.mktemp("mutated")
    comfyui.prepare(base)
    models = base / "models"
    unet = standins.unet("sd15", 1)
    standins.save(unet, models / "diffusion_models" / "reference.safetensors")
    standins.save(standins.unet("sd15", 2, base=unet), models / "diffusion_models" / "aligned.safetensors")
    (models / "loras").mkdir()
    save_file(standins.lora(unet, 3, only="attn2"), models / "loras" / "style.safetensors")
    empty = {f"cond_stage_model.transformer.{name}": value for name, value in _empty_text_encoder().items()}
    inner = {standins.CHECKPOINT_PREFIX + name: value for name, value in unet.items()}
    checkpoints.save_sparse({**inner, **empty, **standins.taesd(3)}, models / "checkpoints" / "whole.safetensors")
    scorer = scorer_folders.write_clip(models / "deradiff_scorers" / "tiny")
    save_file(scorer_folders.head_weights(), scorer / "head.safetensors")
    with comfyui.Server(base, log=base / "server.log") as started:
        yield started


class Client:
    """Prompts over one connection."""

    def __init__(self, server: comfyui.Server) -> None:
        self._server = server
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=LONGEST)

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """The status and the JSON of the answer."""
        content = None if body is None else json.dumps(body)
        self._connection.request(method, path, content, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        text = answer.read()
        assert answer.status in (200, 400), f"{answer.status}: {text[:500]!r}{self._server.tail()}"
        return answer.status, json.loads(text)

    def queue(self, prompt: mutations.Prompt) -> tuple[str | None, dict[str, Any]]:
        """The id under which it was accepted, or None; and what was said."""
        status, said = self.ask("POST", "/prompt", {"prompt": prompt})
        return (said["prompt_id"] if status == 200 else None), said

    def wait(self) -> dict[str, Any]:
        """The history, when the queue is empty."""
        left, since = -1, time.monotonic()
        while left:
            now = self.ask("GET", "/prompt")[1]["exec_info"]["queue_remaining"]
            if now != left:
                left, since = now, time.monotonic()
            assert time.monotonic() - since < LONGEST, f"nothing is finished any more{self._server.tail()}"
            time.sleep(0.1)
        return self.ask("GET", "/history")[1]


@pytest.fixture(scope="module")
def client(server: comfyui.Server) -> Client:
    return Client(server)


def _at_queue_time(said: dict[str, Any], node: str) -> list[tuple[str, str]]:
    """(input, words) of every error of a node."""
    errors = said.get("node_errors", {}).get(node, {}).get("errors", [])
    return [(error["extra_info"].get("input_name", ""), f"{error['message']}: {error['details']}") for error in errors]


def _in_the_run(entry: dict[str, Any]) -> tuple[str, str]:
    """(node, words) of the error that ended a run, empty if none did."""
    for event, data in entry["status"]["messages"]:
        if event == "execution_error":
            return data["node_id"], data["exception_message"].strip()
    return "", ""


def _fault(mutation: Mutation, said: dict[str, Any], entry: dict[str, Any] | None) -> str:
    """What is wrong with the answer to a prompt, "" if nothing is."""
    if entry is None:
        if mutation.verdict is Verdict.RIGHT:
            return f"refused although it is right: {said}"
        if mutation.core:
            return "" if said["error"]["details"] or said["error"]["message"] else "refused without a word"
        errors = _at_queue_time(said, mutation.node)
        ours = [words for name, words in errors if name == mutation.input and mutation.input in words]
        return "" if ours else f"refused, but not for its input: {said}"
    node, words = _in_the_run(entry)
    if not node:
        assert entry["status"]["status_str"] == "success", entry["status"]
        return "accepted although it is wrong" if mutation.verdict is Verdict.WRONG else ""
    if mutation.verdict is Verdict.RIGHT:
        return f"failed although it is right: {words}"
    if node != mutation.node or not re.search(rf"\b{re.escape(mutation.input)}\b", words.partition(".")[0]):
        return f"failed at {node} without the input's name: {words}"
    return "" if REMEDY.search(words) else f"failed without a remedy: {words}"


def test_what_is_not_changed_runs(client: Client) -> None:
    """What every refusal is measured against."""
    queued = {node: client.queue(mutations.whole(node)) for node in mutations.SHARES}
    history = client.wait()
    for node, (identity, said) in queued.items():
        assert identity is not None, (node, said)
        assert _in_the_run(history[identity]) == ("", ""), node


@pytest.mark.parametrize(
    ("node", "changes", "words"),
    [
        ("sweep", {"lambdas": "0,5"}, "'0,5' is read as '0' and '5'"),
        ("sweep", {"lambdas": "0..1x" + "9" * 6000}, "needs a whole number from 2 to 200 after the x"),
        ("sweep", {"lambdas": "sNaN"}, "lambdas: cannot read 'sNaN'"),
        ("sweep", {"lambdas": "1e308"}, "'1e308' must be a number from -3 to 3"),
        ("schedule", {"curve": "[[0, 3]]"}, "curve: point 1, [0.0, 3.0], must have its y"),
        ("schedule", {"curve": "x"}, "curve: expected JSON such as"),
        ("schedule", {"start_percent": 0.7, "end_percent": 0.3}, "expected 0 <= start_percent <= end_percent <= 1"),
        ("checkpoints", {"aligned": {"a": 1}}, "neither models/checkpoints nor models/diffusion_models holds {'a': 1}"),
    ],
)
def test_lists_curves_and_files_are_refused_before_anything_runs(
    client: Client, node: str, changes: dict[str, Any], words: str
) -> None:
    prompt = mutations.whole(node)
    prompt[node]["inputs"] |= changes
    identity, said = client.queue(prompt)
    assert identity is None
    errors = _at_queue_time(said, node)
    for changed in changes:
        assert any(name == changed and words in message for name, message in errors), errors


def test_mutated_prompts(client: Client, record_property: Callable[[str, object], None]) -> None:
    begin = time.monotonic()
    every = list(Mutations(client.ask("GET", "/object_info")[1], SEED).all())
    assert len(every) >= COUNT
    answers = [client.queue(mutation.prompt) for mutation in every]
    history = client.wait()
    faults, ends = [], collections.Counter[str]()
    for mutation, (identity, said) in zip(every, answers, strict=True):
        entry = None if identity is None else history[identity]
        ends["refused" if entry is None else "failed" if _in_the_run(entry)[0] else "run"] += 1
        if fault := _fault(mutation, said, entry):
            faults.append(f"{mutation}: {fault[:700]}")
    seconds = time.monotonic() - begin
    record_property(
        "figure",
        f"{len(every)} mutated prompts in {seconds:.0f} s: " + ", ".join(f"{n} {end}" for end, n in ends.items()),
    )
    assert not faults, f"{len(faults)} of {len(every)}:\n" + "\n".join(faults[:40])
    assert min(ends.values()) > COUNT / 20, ends

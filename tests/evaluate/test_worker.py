"""One worker in this process, over a real ComfyUI: what it listens on, what it must have, and how its rows end."""

from __future__ import annotations

import asyncio
import errno
import json
from collections.abc import AsyncGenerator, Coroutine, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

import comfyui
import psutil
import pytest
from deradiff.evaluate import fingerprint, fleet, recipe, rows, server, worker
from deradiff.evaluate.dispatch import Useless
from support import evaluating

T = TypeVar("T")
GOOD = rows.Row(0, "../../a cat\u2603<b>", "", "", 0, 0.5)


class Started:
    """A worker and the loop it lives in."""

    def __init__(self, folder: Path) -> None:
        self.base, self.out = evaluating.base_directory(folder / "base"), folder / "run"
        self.workflow = folder / "workflow.json"
        self.workflow.write_text(json.dumps(evaluating.graph(steps=1)), "utf-8")
        self.out.mkdir()
        (self.out / "token").touch()
        settings = server.Settings(str(comfyui.comfyui_path()), str(self.base), ("--cpu",), threads=1)
        self.loop, self.worker = asyncio.new_event_loop(), worker.Worker(settings, str(self.out), 60)
        self.pid = self.wait(self.worker.start("worker-0", "token"))
        self.nodes = self.wait(self.worker.nodes())
        self.recipe = recipe.load(self.workflow, scorers=["warmth"], object_info=self.nodes)
        self.models = self.wait(self.worker.prepare(self.recipe))

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(coroutine)

    def run(self, *wanted: rows.Row, again: bool = False) -> list[dict[str, Any]]:
        async def run() -> list[dict[str, Any]]:
            asked = [asdict(row) for row in wanted]
            return [record async for part in self.worker.run(asked, again, 0) for record in part]

        return self.wait(run())


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    found = Started(tmp_path_factory.mktemp("worker"))
    yield found
    found.wait(found.worker.close())
    assert not psutil.pid_exists(found.pid)


def test_it_listens_on_this_machine_only(started: Started) -> None:
    listening = [each.laddr.ip for each in psutil.Process(started.pid).net_connections() if each.status == "LISTEN"]
    assert listening == ["127.0.0.1"]


def test_what_must_be_equal_names_the_models_and_the_packs(started: Started) -> None:
    assert started.models.keys() == {
        *("ComfyUI", "PyTorch", f"pack {comfyui.PACK}", "pack mischief"),
        *("model checkpoints/deradiff_demo.safetensors", "model loras/deradiff_demo_dpo.safetensors"),
    }
    lora = started.base / "models" / "loras" / "deradiff_demo_dpo.safetensors"
    kept = lora.read_bytes()
    lora.write_bytes(kept + b"\0")
    try:
        changed = started.wait(started.worker.prepare(started.recipe))
    finally:
        lora.write_bytes(kept)
    (line,) = fingerprint.differences(started.models, changed, ("worker-0 has", "worker-1 has"))
    assert line.startswith("model loras/deradiff_demo_dpo.safetensors: worker-0 has ")


def test_a_model_or_a_node_that_is_missing_is_said_before_the_first_row(started: Started) -> None:
    def prepared(node: str, **changes: Any) -> None:
        graph = {**started.recipe.graph, node: {**started.recipe.graph[node], **changes}}
        started.wait(started.worker.prepare(replace(started.recipe, graph=graph)))

    inputs = started.recipe.graph["1"]["inputs"]
    with pytest.raises(ValueError, match=r"CheckpointLoaderSimple.ckpt_name: there is no 'sdxl.safetensors'"):
        prepared("1", inputs={**inputs, "ckpt_name": "sdxl.safetensors"})
    with pytest.raises(ValueError, match="no node NotInstalled"):
        prepared("5", class_type="NotInstalled")
    started.wait(started.worker.prepare(started.recipe))


def test_a_folder_that_is_not_the_driver_s_is_refused(started: Started) -> None:
    with pytest.raises(ValueError, match="all machines share"):
        started.wait(started.worker.start("worker-0", "another"))


def test_rows_work_fail_and_are_found_again(started: Started) -> None:
    """Also the same prompt twice, of which ComfyUI runs nothing the second time."""
    twin = replace(GOOD, prompt=1)
    impossible = replace(GOOD, text="impossible")
    records = started.run(GOOD, impossible, twin)
    assert [record["error"] is None for record in records] == [True, False, True]
    assert records[0]["score:warmth"] == records[2]["score:warmth"]
    images = sorted(path.name for path in (started.out / "images").iterdir())
    assert images == sorted(f"{row.key}.png" for row in (GOOD, twin))
    stamps = evaluating.times(started.out)
    assert started.run(GOOD, again=True) == records[:1] and evaluating.times(started.out) == stamps


def test_a_disk_that_is_full_under_comfyui_is_no_prompt_s_failure(started: Started) -> None:
    with pytest.raises(OSError, match="No space left") as error:
        started.run(replace(GOOD, text="full"))
    assert error.value.errno == errno.ENOSPC


def test_only_files_of_its_own_are_removed(started: Started, tmp_path: Path) -> None:
    mine = tmp_path / "mine.png"
    mine.touch()
    for image in (
        {"filename": str(mine), "subfolder": "", "type": "output"},
        {"filename": mine.name, "subfolder": str(tmp_path), "type": "output"},
        {"filename": mine.name, "subfolder": "../" * 20 + str(tmp_path), "type": "output"},
        {"filename": mine.name, "subfolder": "", "type": str(tmp_path)},
    ):
        started.worker._server.forget(image)
    assert mine.exists()


def test_what_cannot_come_up_says_the_end_of_its_log(started: Started) -> None:
    broken = server.Server(replace(started.worker._server.settings, arguments=("--cpu", "--no-such-option")))
    with pytest.raises(server.Ended, match=r"(?s)stopped while starting.*unrecognized arguments: --no-such-option"):
        started.wait(broken.start())
    started.wait(broken.stop())


def test_a_comfyui_that_starts_slowly_is_waited_for(started: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not taken for one that has no nodes."""
    slow = worker.Worker(started.worker._server.settings, str(started.out))
    monkeypatch.setattr(server, "_START_LIMIT", 0.1)
    with pytest.raises(server.Ended, match="did not answer within"):
        started.wait(slow.start("worker-1", "token"))
    monkeypatch.undo()
    begun = slow._server.pid
    assert started.wait(slow.start("worker-1", "token")) == begun
    assert started.wait(slow.nodes()).keys() == started.nodes.keys()
    started.wait(slow.close())


def test_a_worker_that_is_not_like_the_first_is_refused(started: Started) -> None:
    whole = fleet.Fleet(fleet.Slot(gpu=False), started.worker._server.settings, str(started.out), "token")
    whole.check("worker-0", started.models)
    whole.check("worker-1", dict(started.models))
    with pytest.raises(Useless, match=r"not like the others.*ComfyUI: worker-0 has 0.*, worker-2 has missing"):
        whole.check("worker-2", {name: which for name, which in started.models.items() if name != "ComfyUI"})


def test_what_was_made_before_an_error_is_told() -> None:
    async def records() -> AsyncGenerator[dict[str, Any], None]:
        yield {"key": "a"}
        yield {"key": "b"}
        raise server.Ended("gone")

    async def parts(every: float) -> list[list[str]]:
        found: list[list[str]] = []
        with pytest.raises(server.Ended, match="gone"):
            async for part in worker.told(records(), every):
                found.append([record["key"] for record in part])
        return found

    assert asyncio.run(parts(0)) == [["a"], ["b"]]
    assert asyncio.run(parts(60)) == [["a", "b"]]


def test_a_row_that_takes_too_long_ends_its_comfyui(started: Started) -> None:
    """Last: there is none afterwards, until start()."""
    started.worker._limit = 0.01
    with pytest.raises(TimeoutError, match="longer than 0 seconds"):
        started.run(replace(GOOD, seed=1))
    assert not started.worker._server.alive

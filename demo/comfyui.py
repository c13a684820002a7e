"""A headless ComfyUI with this pack installed: prepare its folder, start it, queue prompts, fetch the images, stop it.
ComfyUI runs in a process of its own.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from environment import cache, locate
from tqdm import tqdm

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.append(str(CHECKOUT / "evaluate"))
import pack  # noqa: E402

sys.path.pop()
pack.make_importable()
from deradiff.evaluate.server import FAILURES, HOST, Prompt, events, failure, free_port, refusals  # noqa: E402

PACK = "ComfyUI-DeRaDiff"
SHIPPED = CHECKOUT / "example_workflows"
DEMO = CHECKOUT / "demo" / "workflows"  # those of the demo pair, which `make serve` alone shows

_FOLDERS = ("custom_nodes", "models", "user", "input", "output")
_NOT_INSTALLED = shutil.ignore_patterns(".*", "__pycache__", "output", "work")
_START_LIMIT, _STOP_LIMIT = 300.0, 20.0  # seconds
_BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"


@dataclass(frozen=True)
class SavedImage:
    """One saved image: the node that saved it, its file name, and the file's bytes."""

    node: str
    name: str
    data: bytes


def comfyui_path() -> Path:
    """The ComfyUI in use: COMFYUI_PATH, or the one that demo/environment.py sets up."""
    return Path(os.environ.get("COMFYUI_PATH") or locate()[1]).resolve()


def base_directory(purpose: str = "demo") -> Path:
    """Where a server of this checkout keeps models, inputs, outputs and settings: outside the checkout."""
    key = hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:12]
    return cache() / f"{purpose}-{key}"


def prepare(base: Path) -> None:
    """Make the base directory and install this checkout into its custom_nodes."""
    for name in _FOLDERS:
        (base / name).mkdir(parents=True, exist_ok=True)
    _install(base / "custom_nodes" / PACK)
    example, place = comfyui_path() / "input" / "example.png", base / "input" / "example.png"
    if example.exists() and not place.exists():
        shutil.copy(example, place)


def _install(target: Path) -> None:
    """A link to the checkout; a copy where links are not allowed (Windows without developer mode)."""
    if target.is_symlink():
        if target.resolve() == CHECKOUT:
            return
        target.unlink()
    elif target.exists():
        shutil.rmtree(target)
    try:
        target.symlink_to(CHECKOUT, target_is_directory=True)
    except OSError:
        shutil.copytree(CHECKOUT, target, ignore=_NOT_INSTALLED)


class Server:
    """A ComfyUI process on the CPU. `with Server(base) as server:` starts it, waits until it answers, and stops it.

    log: the file its output goes to; None leaves it on the terminal.
    front_end: the folder of another front end than ComfyUI's own.
    user: the folder of its settings, where several servers of one base must not share them.
    """

    def __init__(
        self,
        base: Path,
        port: int | None = None,
        log: Path | None = None,
        front_end: str | None = None,
        user: Path | None = None,
    ) -> None:
        self.base, self.port, self.log, self.front_end, self.user = base, port or free_port(), log, front_end, user
        self.url = f"http://{HOST}:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        # Straight to this machine, whatever proxy the environment names.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the process and wait until it answers and has our nodes. Raises RuntimeError with the log's tail."""
        if _answers(self.port):
            raise RuntimeError(
                f"Port {self.port} is in use. Stop the program that uses it (another ComfyUI?) and retry."
            )
        root = comfyui_path()
        command = [sys.executable, str(root / "main.py"), "--cpu", "--listen", HOST, "--port", str(self.port)]
        command += ["--base-directory", str(self.base), "--database-url", "sqlite:///:memory:", "--disable-auto-launch"]
        # Not shared with another server: ComfyUI empties the folder at its start.
        self._temporary = tempfile.TemporaryDirectory(prefix="deradiff-")
        command += ["--temp-directory", self._temporary.name]
        command += ["--front-end-root", self.front_end] if self.front_end else []
        command += ["--user-directory", str(self.user)] if self.user else []
        output = self.log.open("wb") if self.log else None
        try:
            self._process = subprocess.Popen(command, cwd=root, stdout=output, stderr=subprocess.STDOUT)
        finally:
            if output:
                output.close()
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        if self._temporary is not None:
            self._temporary.cleanup()

    def wait_for_end(self) -> int:
        """Until the process ends by itself; its exit status."""
        assert self._process is not None
        return self._process.wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_LIMIT
        while not self._is_up():
            assert self._process is not None
            if self._process.poll() is not None:
                raise RuntimeError(f"ComfyUI stopped while starting (status {self._process.returncode}).{self.tail()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"ComfyUI did not answer within {_START_LIMIT:.0f} seconds.{self.tail()}")
            time.sleep(0.2)
        if not self.get("/object_info/DeRaDiffKSampler"):
            raise RuntimeError(f"ComfyUI runs, but could not import {PACK}.{self.tail()}")

    def _is_up(self) -> bool:
        try:
            self.get("/system_stats")
        except (urllib.error.URLError, OSError):
            return False
        return True

    def tail(self, lines: int = 30) -> str:
        """The end of the log, for an error message."""
        if self.log is None or not self.log.exists():
            return ""
        text = self.log.read_text("utf-8", "replace").splitlines()
        return "\n".join(["", f"The end of {self.log}:", *text[-lines:]])

    def get(self, path: str) -> Any:
        """The JSON that the server answers to GET."""
        with self._opener.open(self.url + path, timeout=60) as answer:
            return json.load(answer)

    def post(self, path: str, value: object) -> None:
        """POST a JSON value, for example a setting."""
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, json.dumps(value).encode(), headers, method="POST")
        self._opener.open(request, timeout=60).close()

    def run(self, prompts: Sequence[Prompt], label: str = "Sampling", quiet: bool = False) -> list[list[SavedImage]]:
        """Queue the prompts one after another under one progress bar: the images each of them saved.

        Raises RuntimeError if the server refuses a prompt or a node fails.
        """
        with tqdm(total=len(prompts), desc=label, bar_format=_BAR, disable=quiet, dynamic_ncols=True) as bar:
            return asyncio.run(self._run(prompts, bar))

    async def _run(self, prompts: Sequence[Prompt], bar: tqdm) -> list[list[SavedImage]]:
        client = uuid.uuid4().hex
        async with (
            aiohttp.ClientSession(self.url) as session,
            session.ws_connect("/ws", params={"clientId": client}, max_msg_size=0) as messages,
        ):
            results = []
            for prompt in prompts:
                queued = await self._queue(session, prompt, client)
                await self._follow(messages, queued, bar)
                _show(bar, len(results) + 1)
                results.append(await self._saved_images(session, queued))
            return results

    async def _queue(self, session: aiohttp.ClientSession, prompt: Prompt, client: str) -> str:
        async with session.post("/prompt", json={"prompt": prompt, "client_id": client}) as answer:
            value = await answer.json()
        if answer.status != 200:
            raise RuntimeError("ComfyUI refused the prompt: " + "; ".join(refusals(value)))
        return value["prompt_id"]

    async def _follow(self, messages: aiohttp.ClientWebSocketResponse, queued: str, bar: tqdm) -> None:
        """Until the prompt is done, moving the bar by what the samplers report."""
        done = float(bar.n)
        async for event, data in events(messages, queued):
            if event == "progress":
                _show(bar, max(bar.n, done + min(0.99, data["value"] / data["max"])))
            elif event in FAILURES:
                raise RuntimeError(failure(data))
            elif event == "executing" and data["node"] is None:
                return  # sent once the history has the results; execution_success comes before that
        raise RuntimeError(f"ComfyUI closed the connection.{self.tail()}")

    async def _saved_images(self, session: aiohttp.ClientSession, queued: str) -> list[SavedImage]:
        async with session.get(f"/history/{queued}") as answer:
            outputs = (await answer.json())[queued]["outputs"]
        saved = []
        for node, image in ((node, image) for node, output in outputs.items() for image in output.get("images", [])):
            async with session.get("/view", params=image) as answer:
                answer.raise_for_status()
                saved.append(SavedImage(node, image["filename"], await answer.read()))
        return saved


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def _show(bar: tqdm, done: float) -> None:
    bar.n = done
    bar.refresh()

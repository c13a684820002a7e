"""One real ComfyUI process, driven as any client would: started, asked over HTTP and its websocket, stopped.
It listens on this machine only, and ends with the process that started it, however that ended.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil

HOST = "127.0.0.1"
Prompt = dict[str, dict[str, Any]]  # ComfyUI's API format
Image = dict[str, str]  # ComfyUI's {"filename", "subfolder", "type"}
FAILURES = ("execution_error", "execution_interrupted")  # events that end a prompt

_FOLDER = "deradiff-worker-"
_START_LIMIT, _STOP_LIMIT = 300.0, 10.0  # seconds
_FIXED = ("--listen", "--port", "--base-directory", "--output-directory", "--temp-directory", "--user-directory")
# ComfyUI under a thread that ends the process when its standard input ends: with the process at the other end, however that ended.
_LEASHED = """
import os, runpy, sys, threading
def leash():
    while os.read(0, 1024): pass
    os._exit(1)
threading.Thread(target=leash, daemon=True).start()
del sys.argv[0]
sys.path[0] = os.path.dirname(sys.argv[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class Ended(RuntimeError):
    """ComfyUI is not there any more, or never came up."""


@dataclass(frozen=True)
class Settings:
    """Which ComfyUI, on the machine of the worker.

    comfyui: its folder. base: where models and custom_nodes are, "" for that folder. arguments: its own, such as --cpu.
    threads: of the CPU, 0 for as many as it takes.
    """

    comfyui: str
    base: str = ""
    arguments: tuple[str, ...] = ()
    python: str = sys.executable
    threads: int = 0

    def check(self) -> None:
        """Raise ValueError for a folder that is no ComfyUI's, or arguments that a worker sets itself."""
        if not (Path(self.comfyui) / "main.py").is_file():
            raise ValueError(
                f"There is no ComfyUI in {self.comfyui!r}: expected a folder with its main.py. Set --comfyui."
            )
        taken = [each for each in self.arguments if each.split("=")[0] in _FIXED]
        if taken:
            raise ValueError(f"--comfyui-args: {taken[0]} is set for each worker. Leave it out.")


@dataclass(frozen=True)
class Done:
    """How a prompt ended: what /history says of its outputs, or error. full: the error is that a disk is full."""

    outputs: dict[str, Any]
    seconds: float = 0.0
    error: str = ""
    full: bool = False


class Server:
    """A ComfyUI process with output, temporary and user folders of its own, in a folder that is removed with it."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.url = settings, ""
        self._folder = Path()
        self._process: subprocess.Popen[bytes] | None = None
        self._session: aiohttp.ClientSession | None = None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    async def start(self) -> None:
        """Start it, start it again, or wait longer for one that is starting. Raises ValueError for settings that cannot be, Ended if it does
        not come up."""
        if not self.alive:
            await self._launch()
        await self._answers()

    async def _launch(self) -> None:
        await self.stop()
        self.settings.check()
        _remove_left()
        self._folder = Path(tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-"))
        port = free_port()
        self.url = f"http://{HOST}:{port}"
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                self._command(port),
                cwd=self.settings.comfyui,
                env=self._environment(),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._session = aiohttp.ClientSession(self.url, timeout=aiohttp.ClientTimeout(total=60))

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.close()
        if self._process is not None:
            self._process.terminate()
            try:
                await asyncio.to_thread(self._process.wait, _STOP_LIMIT)
            except subprocess.TimeoutExpired:
                self._process.kill()
                await asyncio.to_thread(self._process.wait)
            if self._process.stdin:
                self._process.stdin.close()
            shutil.rmtree(self._folder, ignore_errors=True)
        self._process = self._session = None

    async def get(self, path: str, **query: str) -> Any:
        """The JSON that it answers. Raises Ended if it does not."""
        async with self._answer("GET", path, params=query) as answer:
            return await answer.json()

    async def image(self, image: Image) -> bytes:
        """A file that it made."""
        query = {name: image[name] for name in ("filename", "subfolder", "type")}
        async with self._answer("GET", "/view", params=query) as answer:
            return await answer.read()

    def forget(self, image: Image) -> None:
        """Remove the file of an image that is kept elsewhere, if it is in one of this process's own folders."""
        path = (self._folder / image["type"] / image["subfolder"] / image["filename"]).resolve()
        if path.is_relative_to(self._folder.resolve()):
            path.unlink(missing_ok=True)

    async def run(self, prompts: Sequence[Prompt]) -> AsyncGenerator[Done, None]:
        """How each of the prompts ended, in their order, as they end. Raises Ended if ComfyUI does not outlive them."""
        client = uuid.uuid4().hex
        assert self._session is not None, "start() comes first"
        try:
            async with self._session.ws_connect("/ws", params={"clientId": client}, max_msg_size=0) as messages:
                queued = [await self._queue(prompt, client) for prompt in prompts]
                for each in queued:
                    yield each if isinstance(each, Done) else await self._end(messages, each)
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            raise Ended(f"ComfyUI does not answer any more ({error}).{self.tail()}") from error

    def tail(self, lines: int = 20) -> str:
        """The end of its log, for an error message."""
        log = self._folder / "log"
        text = log.read_text("utf-8", "replace").splitlines() if log.is_file() else []
        return "\n".join(["\nThe end of its log:", *text[-lines:]]) if text else ""

    def _command(self, port: int) -> list[str]:
        main = Path(self.settings.comfyui).resolve() / "main.py"
        command = [self.settings.python, "-c", _LEASHED, str(main)]
        command += ["--listen", HOST, "--port", str(port), "--disable-auto-launch"]
        command += ["--database-url", "sqlite:///:memory:"]
        command += ["--base-directory", self.settings.base] if self.settings.base else []
        for name, place in self._own_folders().items():
            place.mkdir(exist_ok=True)
            command += [name, str(place)]
        return [*command, *self.settings.arguments]

    def _own_folders(self) -> dict[str, Path]:
        """By option; ComfyUI appends "temp" to the temporary one."""
        return {
            "--output-directory": self._folder / "output",
            "--temp-directory": self._folder,
            "--user-directory": self._folder / "user",
        }

    def _environment(self) -> dict[str, str]:
        """Ray's workers have OMP_NUM_THREADS set to their share of the CPU, or to 1."""
        own = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
        return own | ({"OMP_NUM_THREADS": str(self.settings.threads)} if self.settings.threads else {})

    async def _answers(self) -> None:
        until = time.monotonic() + _START_LIMIT
        while True:
            try:
                await self.get("/system_stats")
                break
            except Ended:
                if not self.alive:
                    raise Ended(f"ComfyUI stopped while starting.{self.tail()}") from None
                if time.monotonic() > until:
                    raise Ended(f"ComfyUI did not answer within {_START_LIMIT:.0f} seconds.{self.tail()}") from None
            await asyncio.sleep(0.2)
        if not self.alive:
            raise Ended(f"Another program took ComfyUI's port.{self.tail()}")

    @asynccontextmanager
    async def _answer(self, method: str, path: str, **rest: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        assert self._session is not None, "start() comes first"
        try:
            async with self._session.request(method, path, **rest) as answer:
                answer.raise_for_status()
                yield answer
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            raise Ended(f"ComfyUI does not answer {path} ({error}).{self.tail()}") from error

    async def _queue(self, prompt: Prompt, client: str) -> str | Done:
        """Its id; how it ended where ComfyUI refuses it."""
        assert self._session is not None
        async with self._session.post("/prompt", json={"prompt": prompt, "client_id": client}) as answer:
            value = await answer.json()
            refused = answer.status != 200
        return (
            Done({}, error="ComfyUI refused the prompt: " + "; ".join(refusals(value)))
            if refused
            else value["prompt_id"]
        )

    async def _end(self, messages: aiohttp.ClientWebSocketResponse, queued: str) -> Done:
        async for event, data in events(messages, queued):
            if event in FAILURES:
                return _failed(data)
            if event == "executing" and data["node"] is None:  # when the history has the results
                return _succeeded((await self.get(f"/history/{queued}"))[queued])
        raise Ended(f"ComfyUI closed the connection.{self.tail()}")


def _remove_left() -> None:
    """The folders of workers that were killed on this machine."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*-*"):
        pid = folder.name.removeprefix(_FOLDER).split("-")[0]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """Free at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def _succeeded(history: dict[str, Any]) -> Done:
    times = {event: data["timestamp"] for event, data in history["status"]["messages"] if "timestamp" in data}
    seconds = (times.get("execution_success", 0) - times.get("execution_start", 0)) / 1000
    return Done(history["outputs"], seconds)


def _failed(data: dict[str, Any]) -> Done:
    reason = failure(data)
    return Done({}, error=reason, full=data.get("exception_type") == "OSError" and "[Errno 28]" in reason)


async def events(messages: aiohttp.ClientWebSocketResponse, queued: str) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """What ComfyUI says of one prompt: each event's name and data."""
    async for message in messages:
        if message.type != aiohttp.WSMsgType.TEXT:
            continue  # previews
        value = message.json()
        if value["data"].get("prompt_id") == queued:
            yield value["type"], value["data"]


def failure(data: dict[str, Any]) -> str:
    """The node and the reason in the data of one of FAILURES."""
    reason = data.get("exception_message", "interrupted").strip()
    return f"{data.get('node_type')} (node {data.get('node_id')}): {reason}"


def refusals(answer: dict[str, Any]) -> Iterator[str]:
    """What ComfyUI says is wrong with a prompt that it refused."""
    yield answer["error"]["message"]
    for node, found in answer.get("node_errors", {}).items():
        for error in found["errors"]:
            yield f"{found['class_type']} (node {node}): {error['message']} ({error['details']})"

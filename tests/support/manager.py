"""A ComfyUI with ComfyUI-Manager 4, as a user has one: its own files, its own interpreter, and nothing of ours in it.
Its packages are those of the environment without matplotlib, which the pack's requirements have to bring. The registry
that the Manager asks is a server on this machine, which knows one pack.
"""

from __future__ import annotations

import json
import os
import shutil
import site
import subprocess
import threading
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import comfyui

from support import published

OF_USERS = ("custom_nodes", "input", "models", "output", "temp", "tests", "tests-unit", "user", ".git")
BROUGHT = ("matplotlib", "mpl_toolkits", "pylab")  # by the pack's requirements.txt
WITH_REGISTRY = published.SUPPORT / "with_registry.py"
OPTIONS = ("--cpu", "--disable-auto-launch", "--disable-api-nodes", "--database-url", "sqlite:///:memory:")
SECONDS = 300


class _Registry(BaseHTTPRequestHandler):
    """What the Manager asks of api.comfy.org when it installs, and the archive it is then sent to."""

    def __init__(self, archive: bytes, version: str, *rest: Any) -> None:
        self.archive, self.version = archive, version
        super().__init__(*rest)

    def do_GET(self) -> None:
        host = f"http://{self.headers['Host']}"
        release = {
            "id": "1",
            "version": self.version,
            "downloadUrl": f"{host}/node.zip",
            "status": "NodeVersionStatusActive",
        }
        answers = {"/nodes/deradiff/install": json.dumps(release).encode(), "/node.zip": self.archive}
        answer = answers.get(self.path.split("?")[0])
        self.send_response(404 if answer is None else 200)
        self.send_header("Content-Length", str(len(answer or b"")))
        self.end_headers()
        self.wfile.write(answer or b"")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def registry(archive: Path, version: str) -> Iterator[str]:
    """A registry with that archive as the pack's only version; its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Registry, archive.read_bytes(), version)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@dataclass(frozen=True)
class Installation:
    """A ComfyUI in a folder of its own."""

    folder: Path

    @property
    def comfyui(self) -> Path:
        return self.folder / "ComfyUI"

    @property
    def packs(self) -> Path:
        return self.comfyui / "custom_nodes"

    @property
    def python(self) -> Path:
        return self.folder / "venv" / "bin" / "python"

    def make(self) -> Installation:
        """Copy ComfyUI, and make an interpreter that sees the packages it needs and the Manager's."""
        source = os.environ["COMFYUI_PATH"]
        shutil.copytree(source, self.comfyui, ignore=lambda folder, _: OF_USERS if folder == source else ())
        for name in ("custom_nodes", "input", "models", "output", "temp", "user"):
            (self.comfyui / name).mkdir()
        seen = self.folder / "packages"
        seen.mkdir()
        for path in Path(site.getsitepackages()[0]).iterdir():
            if not path.name.startswith(BROUGHT) and path.suffix != ".pth":
                (seen / path.name).symlink_to(path)
        venv.create(self.folder / "venv", with_pip=False, symlinks=True)
        (own,) = (self.folder / "venv" / "lib").glob("*/site-packages")
        (own / "more.pth").write_text(f"{seen}\n{published.tool('comfyui-manager')}\n", encoding="utf-8")
        return self

    def run(self, *command: str) -> str:
        """What the interpreter prints; AssertionError if it fails."""
        own = {"COMFYUI_PATH": str(self.comfyui), "GIT_TERMINAL_PROMPT": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        done = subprocess.run(
            [self.python, *command],
            cwd=self.comfyui,
            env=os.environ | own | {"PYTHONIOENCODING": "utf-8", "COLUMNS": "200"},
            capture_output=True,
            encoding="utf-8",
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def manager(self, registry: str, *arguments: str) -> str:
        """What `cm-cli` says to that."""
        return self.run(str(WITH_REGISTRY), registry, "cm-cli", *arguments)

    @contextmanager
    def server(self, registry: str | None = None) -> Iterator[str]:
        """The address of the running server; with the Manager in it, where it is told of a registry."""
        port = comfyui.free_port()
        command = [self.python, *([str(WITH_REGISTRY), registry] if registry else []), "main.py", *OPTIONS]
        command += ["--port", str(port), *(["--enable-manager"] if registry else [])]
        log = self.folder / "log.txt"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=self.comfyui,
                env=os.environ | {"COMFYUI_PATH": str(self.comfyui)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            limit = time.monotonic() + SECONDS
            while not _answers(f"http://127.0.0.1:{port}/system_stats"):
                assert process.poll() is None and time.monotonic() < limit, log.read_text("utf-8", "replace")
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(SECONDS)


def _ask(address: str, value: object | None = None) -> bytes:
    """What an address on this machine answers, to a JSON value where there is one. No proxy is asked."""
    data = None if value is None else json.dumps(value).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
        return answer.read()


def get(address: str) -> Any:
    """The JSON that an address answers."""
    return json.loads(_ask(address))


def task(address: str, kind: str, **parameters: object) -> str:
    """Have the Manager in a server do something, as its dialog does; what came of it."""
    _ask(f"{address}/v2/manager/queue/task", {"ui_id": kind, "client_id": "test", "kind": kind, "params": parameters})
    _ask(f"{address}/v2/manager/queue/start", {})
    limit = time.monotonic() + SECONDS
    while kind not in (done := get(f"{address}/v2/manager/queue/history?client_id=test")["history"]):
        assert time.monotonic() < limit
        time.sleep(0.2)
    return done[kind]["result"]


def _answers(address: str) -> bool:
    try:
        get(address)
    except (urllib.error.URLError, OSError):
        return False
    return True

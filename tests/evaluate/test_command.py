"""What the command refuses before any work begins, and in which words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import comfyui
import filelock
import pytest
from deradiff.evaluate import command

Say = Callable[..., str]
WORKFLOW = comfyui.CHECKOUT / "demo" / "evaluate.json"


@pytest.fixture
def said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Say:
    """What it says to these options, instead of those of a run that would begin."""
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a cat\n", "utf-8")
    usual = {"--prompts": str(prompts), "--lambda": "0:1:0.5", "--out": str(tmp_path / "run"), "--scorer": "warmth"}

    def say(workflow: Path = WORKFLOW, **options: str) -> str:
        given = usual | {"--" + name.replace("_", "-"): value for name, value in options.items()}
        words = [word for name, value in given.items() for word in ((f"{name}={value}",) if value else (name,))]
        assert command.main([str(workflow), *words, "--cpu", "--workers", "1"]) == 1
        captured = capsys.readouterr()
        assert captured.out == "" and captured.err.startswith("evaluate: ") and "Traceback" not in captured.err
        return captured.err

    return say


def test_prompts(said: Say, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text(" \n", "utf-8")
    (tmp_path / "wrong.csv").write_text("name,size\ncat,3\n", "utf-8")
    assert "empty.txt is empty" in said(prompts=str(tmp_path / "empty.txt"))
    assert "no column of prompts" in said(prompts=str(tmp_path / "wrong.csv"))
    assert "there is no file" in said(prompts=str(tmp_path / "none.txt"))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"lambda": "0:1"}, "needs start:stop:step"),
        ({"lambda": "9"}, "must be a number from"),
        ({"seeds": "0"}, "from 1 to"),
        ({"first_seed": "-1"}, "--first-seed"),
        ({"draw": "-1"}, "--draw"),
        ({"row_limit": "-1"}, "not negative"),
        ({"comfyui": "/nowhere"}, "There is no ComfyUI in '/nowhere'"),
        ({"comfyui_args": "--listen 0.0.0.0"}, "--listen is set for each worker"),
        ({"comfyui_args": "--port=80"}, "--port=80 is set for each worker"),
    ],
)
def test_options(said: Say, options: dict[str, str], expected: str) -> None:
    assert expected in said(**options)


def test_a_workflow_that_is_not_there(said: Say, tmp_path: Path) -> None:
    assert "there is no workflow" in said(tmp_path / "none.json")


def test_a_workflow_without_a_lambda_or_that_is_none(said: Say, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"1": {"class_type": "KSampler", "inputs": {"seed": 1}}}', "utf-8")
    assert "an input lambda" in said(other)
    other.write_text("{", "utf-8")
    assert "not a JSON file" in said(other)


def test_an_out_folder_of_other_things_or_of_a_run_that_works(said: Say, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    assert "no evaluation's" in said(out=str(tmp_path / "photos"))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}", "utf-8")
    with filelock.FileLock(tmp_path / "run" / ".lock"):
        assert "another run works on" in said(out=str(tmp_path / "run"))


def test_a_cluster_that_is_not_there(said: Say) -> None:
    for address in (f"127.0.0.1:{comfyui.free_port()}", "ray://127.0.0.1:10001", "nonsense"):
        assert f"no Ray cluster answers at '{address}'" in said(address=address)

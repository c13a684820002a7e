"""The labels of every node in every language: complete, none left over, none twice.
That ComfyUI serves them is tested in test_workflows.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = ("en", "zh", "ja")
CONTRACT = json.loads((ROOT / "tests" / "nodes" / "contract.json").read_text("utf-8"))

every_language = pytest.mark.parametrize("language", LANGUAGES)


def read(language: str) -> dict[str, dict]:
    return json.loads((ROOT / "locales" / language / "nodeDefs.json").read_text("utf-8"))


def keys(node: dict) -> set[str]:
    """What of a node needs a label: its inputs by id, its outputs by place."""
    inputs = {f"inputs.{item['id']}" for item in node["inputs"]}
    return inputs | {f"outputs.{place}" for place in range(len(node["outputs"]))}


def problems(language: str) -> Iterator[str]:
    """What is missing or left over in a language, one line each. A file that knows no node yet is missing everything."""
    labels = read(language)
    for id_ in labels.keys() | CONTRACT.keys():
        if id_ not in labels or id_ not in CONTRACT:
            yield f"{language}: {id_} is {'missing' if id_ in CONTRACT else 'left over'}"
            continue
        entry = labels[id_]
        found = {f"{part}.{key}" for part in ("inputs", "outputs") for key in entry[part]}
        yield from (f"{language}: {id_}.{key} is missing" for key in sorted(keys(CONTRACT[id_]) - found))
        yield from (f"{language}: {id_}.{key} is left over" for key in sorted(found - keys(CONTRACT[id_])))


@every_language
def test_every_node_input_and_output_has_a_label_and_none_is_left_over(language: str) -> None:
    assert sorted(problems(language)) == []


@every_language
def test_no_label_is_empty_or_stands_twice_on_one_side_of_a_node(language: str) -> None:
    for id_, entry in read(language).items():
        assert entry["display_name"].strip() and entry["description"].strip(), id_
        for part in ("inputs", "outputs"):
            names = [value["name"].strip() for value in entry[part].values()]
            assert all(names) and len(set(names)) == len(names), f"{id_}.{part}: {names}"


@every_language
def test_no_two_nodes_share_a_name(language: str) -> None:
    names = [entry["display_name"] for entry in read(language).values()]
    assert len(set(names)) == len(names) and all(name.endswith(" (DeRaDiff)") for name in names)


@every_language
def test_lambda_is_named_with_its_letter_and_its_word(language: str) -> None:
    names = [entry["inputs"]["lambda"]["name"] for entry in read(language).values() if "lambda" in entry["inputs"]]
    assert names and all("λ" in name and "lambda" in name for name in names)


@every_language
def test_no_text_holds_a_sign_that_the_front_end_takes_for_syntax(language: str) -> None:
    """vue-i18n reads {name}, @:link and a | b as instructions."""

    def texts(value: object) -> Iterator[str]:
        if isinstance(value, dict):
            for inner in value.values():
                yield from texts(inner)
        else:
            assert isinstance(value, str)
            yield value

    assert not [text for text in texts(read(language)) if set("{}@|") & set(text)]

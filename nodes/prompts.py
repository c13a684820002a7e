"""The node that gives prompts as a list."""

from __future__ import annotations

from pathlib import Path

import folder_paths
from comfy_api.latest import io

from .method.limits import quoted, whole
from .runs import prompt_files
from .schema import CATEGORY, schema

TYPED, SHIPPED = "typed below", "PartiPrompts (1632, shipped)"
_SHIPPED_FILE = Path(__file__).resolve().parent.parent / "prompts" / "PartiPrompts.tsv"


def _files() -> dict[str, Path]:
    """The files of ComfyUI's input folder that may hold prompts, by name."""
    root = Path(folder_paths.get_input_directory())
    found = sorted(path for path in root.iterdir() if path.is_file()) if root.is_dir() else []
    return {path.name: path for path in found if path.suffix.lower() in prompt_files.SUFFIXES}


def _file(source: object) -> Path:
    """Raises ValueError for a file that is not there."""
    files = {SHIPPED: _SHIPPED_FILE, **_files()}
    if not isinstance(source, str) or source not in files:
        raise ValueError(
            f"source: ComfyUI's input folder has no {quoted(source)}. Choose a source from the list, or put it there."
        )
    return files[source]


class DeRaDiffPromptSet(io.ComfyNode):
    """Several prompts, each sampled in turn by the nodes behind."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DeRaDiffPromptSet",
            display_name="Prompt Set (DeRaDiff)",
            category=f"{CATEGORY}/choose",
            search_aliases=["prompt list", "PartiPrompts", "Pick-a-Pic", "DrawBench", "HPDv2", "GenEval"],
            description="Prompts as a list, typed or from a file: connect it to a text encoder, and the nodes behind run once for each prompt. "
            "A lambda that was chosen on several prompts is worth more than one that was chosen on one.",
            inputs=[
                io.Combo.Input(
                    "source",
                    options=[TYPED, SHIPPED, *_files()],
                    default=TYPED,
                    tooltip="The lines below, the shipped PartiPrompts, or a text, CSV, TSV or JSON file of ComfyUI's input folder.",
                ),
                io.String.Input(
                    "prompts", default="", multiline=True, tooltip="One prompt a line, if they are typed here."
                ),
                io.Int.Input(
                    "n",
                    default=8,
                    min=0,
                    max=prompt_files.MOST,
                    tooltip="How many prompts to draw, at most. 0: all, in their order.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=False,
                    tooltip="Which prompts are drawn. A larger n keeps those of a smaller one.",
                ),
                io.String.Input(
                    "negative",
                    default="",
                    multiline=True,
                    tooltip="The negative prompt of every prompt for which the file has none of its own.",
                ),
                io.String.Input(
                    "column",
                    default="",
                    tooltip="The file's column of prompts. Empty: prompt, prompts, caption or text, whichever it has.",
                ),
            ],
            outputs=[
                io.String.Output(
                    "prompt",
                    display_name="prompt",
                    is_output_list=True,
                    tooltip="The prompts, as a list for a text encoder.",
                ),
                io.String.Output(
                    "negative_prompt",
                    display_name="negative",
                    is_output_list=True,
                    tooltip="The negative prompt of each prompt, as a list.",
                ),
                io.String.Output(
                    "tag",
                    display_name="tag",
                    is_output_list=True,
                    tooltip="What each prompt is about, where the file says so (tag, category), as a list.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, source: str) -> bool:
        """Files that came after the schema was read are taken as well; one that is missing is named when the node runs."""
        return True

    @classmethod
    def fingerprint_inputs(cls, source: str, **others: object) -> str:
        """Changes with the file."""
        path = _files().get(str(source))
        return str(source) if path is None else f"{source} {path.stat().st_mtime_ns} {path.stat().st_size}"

    @classmethod
    def execute(cls, source: str, prompts: str, n: int, seed: int, negative: str, column: str) -> io.NodeOutput:
        found = prompt_files.typed(prompts) if source == TYPED else prompt_files.from_file(_file(source), column)
        chosen = prompt_files.drawn(found, whole(n, "n", 0, prompt_files.MOST), seed)
        return io.NodeOutput(
            [prompt.text for prompt in chosen],
            [prompt.negative or negative for prompt in chosen],
            [prompt.tag for prompt in chosen],
        )


NODES = [DeRaDiffPromptSet]

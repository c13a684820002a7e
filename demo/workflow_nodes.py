"""What the shipped workflows are described with: nodes, groups, plans, and the parts that several of them share.
Standard library only."""

from __future__ import annotations

from dataclasses import dataclass, field

from workflow_files import DPO, SD15, File


@dataclass(frozen=True)
class Node:
    """values: widget -> value. inputs: socket -> "node.output". size: (width, height) in pixels, 0 = as it comes."""

    name: str
    kind: str
    title: str = ""
    values: dict[str, object] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    files: tuple[File, ...] = ()
    size: tuple[int, int] = (300, 0)


Column = tuple[Node, ...]  # from top to bottom
Group = tuple[str, tuple[Column, ...]]  # a title, and columns from left to right


@dataclass(frozen=True)
class Plan:
    """A workflow: the text of its note, and from left to right its stacks of groups. The note stands above the first."""

    note: str
    stacks: tuple[tuple[Group, ...], ...]

    def nodes(self) -> list[Node]:
        return [node for stack in self.stacks for _, columns in stack for column in columns for node in column]

    def text(self) -> str:
        """The note, with the files to download at its end."""
        files = dict.fromkeys(file for node in self.nodes() for file in node.files)
        return self.note + ("\n\n**Files**\n\n" + "\n".join(file.line for file in files) if files else "")


WIDE, NARROW = (420, 0), (270, 0)
PAINTING = "a watercolour painting of a lighthouse on a cliff at dawn, calm sea, soft light"
UNWANTED = "blurry, low quality, text"


def sd15_pair() -> Node:
    values = {"reference": SD15.name, "aligned": DPO.name}
    return Node("pair", "DeRaDiffLoadCheckpointPair", values=values, files=(SD15, DPO), size=WIDE)


def checkpoint(file: File | None, name: str) -> Node:
    files = (file,) if file else ()
    title = "Load the reference checkpoint"
    return Node("checkpoint", "CheckpointLoaderSimple", title, {"ckpt_name": name}, files=files, size=WIDE)


def prompts(positive: str, negative: str, clip: str) -> tuple[Node, ...]:
    def prompt(name: str, title: str, text: str) -> Node:
        return Node(name, "CLIPTextEncode", title, {"text": text}, {"clip": clip}, size=(360, 150))

    return prompt("positive", "Positive prompt", positive), prompt("negative", "Negative prompt", negative)


def empty_latent(width: int, height: int, batch: int = 1) -> Node:
    values = {"width": width, "height": height, "batch_size": batch}
    return Node("latent", "EmptyLatentImage", values=values, size=(360, 0))


def stack(title: str, *columns: Column) -> tuple[Group]:
    return ((title, columns),)


def saved_image(title: str, samples: str, vae: str, prefix: str) -> tuple[Group]:
    decode = Node("decode", "VAEDecode", inputs={"samples": samples, "vae": vae}, size=(180, 0))
    save = Node("save", "SaveImage", "", {"filename_prefix": prefix}, {"images": "decode.IMAGE"}, size=(340, 400))
    return stack(title, (decode,), (save,))


def settings(seed: int, steps: int, cfg: float, sampler: str = "euler_ancestral") -> dict[str, object]:
    return {"seed": seed, "steps": steps, "cfg": cfg, "sampler_name": sampler, "scheduler": "normal"}


def sockets(reference: str, aligned: str, latent: str = "latent.LATENT") -> dict[str, str]:
    conditions = {"positive": "positive.CONDITIONING", "negative": "negative.CONDITIONING"}
    return {"reference": reference, "aligned": aligned, **conditions, "latent_image": latent}

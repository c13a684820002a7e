"""What the workflows are described with: nodes, groups, plans, and the parts that several of them share.
Standard library only."""

from __future__ import annotations

from dataclasses import dataclass, field

from workflow_files import DPO, DPO_LORA, SD15, SDXL, File


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

COLOURS = {
    "models": "#3f789e",
    "prompt": "#88AA88",
    "lambda": "#a1309b",
    "sample": "#b58b2a",
    "score": "#88AAAA",
    "image": "#b06634",
}  # of the groups, by what they are for; ComfyUI's own palette


@dataclass(frozen=True)
class Group:
    """A titled frame of a kind (see COLOURS) around columns, from left to right."""

    kind: str
    title: str
    columns: tuple[Column, ...]

    @property
    def colour(self) -> str:
        return COLOURS[self.kind]


Stack = tuple[Group, ...]  # from top to bottom


@dataclass(frozen=True)
class Plan:
    """A workflow: the text of its note, and from left to right its stacks of groups. The note stands above the first."""

    note: str
    stacks: tuple[Stack, ...]

    def groups(self) -> list[Group]:
        return [group for stack in self.stacks for group in stack]

    def nodes(self) -> list[Node]:
        return [node for group in self.groups() for column in group.columns for node in column]

    def text(self) -> str:
        """The note, with the files to download at its end."""
        files = dict.fromkeys(file for node in self.nodes() for file in node.files)
        return self.note + ("\n\n**Files**\n\n" + "\n".join(file.line for file in files) if files else "")


WIDE, NARROW = (420, 0), (270, 0)
PAINTING = "a watercolour painting of a lighthouse on a cliff at dawn, calm sea, soft light"
UNWANTED = "blurry, low quality, text"


def stack(kind: str, title: str, *columns: Column) -> Stack:
    return (Group(kind, title, columns),)


def sd15_pair() -> Node:
    values = {"reference": SD15.name, "aligned": f"{DPO.directory}/{DPO.name}"}  # as the loader lists it
    return Node("pair", "DeRaDiffLoadCheckpointPair", values=values, files=(SD15, DPO), size=WIDE)


def reference_checkpoint(name: str, *files: File) -> Node:
    return Node(
        "checkpoint", "CheckpointLoaderSimple", "Load the reference checkpoint", {"ckpt_name": name}, {}, files, WIDE
    )


def lora_pair(name: str, title: str, model: str, lora: str, *files: File) -> Node:
    """The pair of a model and a LoRA on it."""
    return Node(name, "DeRaDiffLoadLoraPair", title, {"lora": lora, "strength": 1.0}, {"model": model}, files, WIDE)


def sdxl_pair() -> Column:
    pair = lora_pair("pair", "", "checkpoint.MODEL", DPO_LORA.name, DPO_LORA)
    return reference_checkpoint(SDXL.name, SDXL), pair


def demo_pair() -> Column:
    pair = lora_pair("pair", "", "checkpoint.MODEL", "deradiff_demo_dpo.safetensors")
    return reference_checkpoint("deradiff_demo.safetensors"), pair


def prompts(positive: str, negative: str, clip: str) -> tuple[Node, ...]:
    def prompt(name: str, title: str, text: str) -> Node:
        return Node(name, "CLIPTextEncode", title, {"text": text}, {"clip": clip}, size=(360, 150))

    return prompt("positive", "Positive prompt", positive), prompt("negative", "Negative prompt", negative)


def empty_latent(width: int, height: int, batch: int = 1) -> Node:
    values = {"width": width, "height": height, "batch_size": batch}
    return Node("latent", "EmptyLatentImage", values=values, size=(360, 0))


def seen(name: str, title: str, samples: str, vae: str, prefix: str) -> tuple[Node, Node]:
    """A latent's image, decoded and saved: the nodes `decode_name` and `save_name`."""
    decode = Node(f"decode_{name}", "VAEDecode", "", {}, {"samples": samples, "vae": vae}, size=NARROW)
    saved = {"images": f"decode_{name}.IMAGE"}
    return decode, Node(f"save_{name}", "SaveImage", title, {"filename_prefix": prefix}, saved, size=(340, 400))


def saved_image(title: str, samples: str, vae: str, prefix: str) -> Stack:
    return stack("image", title, seen("image", "", samples, vae, prefix))


def settings(seed: int, steps: int, cfg: float, sampler: str = "euler_ancestral") -> dict[str, object]:
    return {"seed": seed, "steps": steps, "cfg": cfg, "sampler_name": sampler, "scheduler": "normal"}


def sockets(reference: str, aligned: str, latent: str = "latent.LATENT") -> dict[str, str]:
    conditions = {"positive": "positive.CONDITIONING", "negative": "negative.CONDITIONING"}
    return {"reference": reference, "aligned": aligned, **conditions, "latent_image": latent}

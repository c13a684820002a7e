"""The workflows in which Find Lambda finds lambda: prompts, the search, what it found, and a final image at that lambda.
Standard library only; demo/export_workflows.py turns these into workflows."""

from __future__ import annotations

from dataclasses import dataclass

from workflow_files import PICKSCORE, VQASCORE
from workflow_nodes import (
    NARROW,
    PAINTING,
    UNWANTED,
    WIDE,
    Column,
    Node,
    Plan,
    Stack,
    demo_pair,
    empty_latent,
    prompts,
    sdxl_pair,
    seen,
    settings,
    sockets,
    stack,
)


@dataclass(frozen=True)
class _Subject:
    """A pair, the prompts and judges of its search, how that is sampled, and the final image: its prompt, side and settings."""

    pair: Column
    given: dict[str, object]
    side: int
    searched: dict[str, object]
    scorer: dict[str, object]
    held_out: dict[str, object]
    positive: str
    negative: str
    final_side: int
    final: dict[str, object]
    prefix: str

    def asked(self) -> tuple[Column, Column]:
        """The prompts of the search and their encoders, and the latent."""
        given = Node("set", "DeRaDiffPromptSet", values=self.given, size=(420, 420))
        encoded = tuple(
            Node(f"each_{name}", "CLIPTextEncode", title, inputs=self._encoded(name, output), size=(360, 150))
            for name, title, output in (
                ("positive", "Each prompt", "prompt"),
                ("negative", "Its negative prompt", "negative"),
            )
        )
        return (given,), (*encoded, empty_latent(self.side, self.side))

    def _encoded(self, name: str, output: str) -> dict[str, str]:
        return {"clip": "checkpoint.CLIP", "text": f"set.{output}"}

    def judges(self) -> Column:
        return (
            Node("scorer", "DeRaDiffLoadScorer", "The scorer that chooses", self.scorer, size=WIDE),
            Node("held_out", "DeRaDiffLoadScorer", "The held-out scorer", self.held_out, size=WIDE),
        )

    def search(self) -> Column:
        conditions = {"positive": "each_positive.CONDITIONING", "negative": "each_negative.CONDITIONING"}
        judged = {"vae": "checkpoint.VAE", "scorer": "scorer.scorer", "held_out": "held_out.scorer"}
        inputs = {**sockets("pair.reference", "pair.aligned"), **conditions, **judged, "prompt": "set.prompt"}
        return (Node("find", "DeRaDiffFindLambda", values=self.searched, inputs=inputs, size=(440, 0)),)

    def look(self) -> Stack:
        saved = {"filename_prefix": f"{self.prefix}_plot"}
        plot = Node("save_plot", "SaveImage", "The plot", saved, {"images": "find.plot"}, size=(560, 360))
        best = Node("best", "PreviewImage", "The best images", inputs={"images": "find.best"}, size=(560, 360))
        table = Node("show_table", "PreviewAny", "The table", inputs={"source": "find.table"}, size=(560, 300))
        return stack("image", "5  What it found", (plot, best, table))

    def image(self) -> Stack:
        latent = {"width": self.final_side, "height": self.final_side, "batch_size": 1}
        asked = (
            *prompts(self.positive, self.negative, "checkpoint.CLIP"),
            Node("final_latent", "EmptyLatentImage", "The final size", latent, size=NARROW),
        )
        inputs = {**sockets("pair.reference", "pair.aligned", "final_latent.LATENT"), "lambda": "find.lambda"}
        sampler = Node("sampler", "DeRaDiffKSampler", "At the lambda that was found", self.final, inputs)
        shown = seen("final", "The final image", "sampler.latent", "checkpoint.VAE", f"{self.prefix}_final")
        return stack("sample", "6  The final image", asked, (sampler, *shown))


def _find(subject: _Subject, note: str) -> Plan:
    return Plan(
        note,
        (
            stack("models", "1  The pair", subject.pair),
            stack("prompt", "2  The prompts", *subject.asked()),
            stack("score", "3  The judges", subject.judges()),
            stack("lambda", "4  Find lambda", subject.search()),
            subject.look(),
            subject.image(),
        ),
    )


_CAPTIONS = (
    "a red circle on a white background",
    "a blue square on a black background",
    "a green star on a grey background",
    "a purple triangle on a white background",
    "a yellow circle on a black background",
    "an orange square on a grey background",
)
_SDXL = _Subject(
    pair=sdxl_pair(),
    given={"source": "PartiPrompts (1632, shipped)", "prompts": "", "n": 12, "seed": 1, "negative": UNWANTED},
    side=768,
    searched={**settings(42, 30, 5.0), "lowest": 0.0, "highest": 1.5, "budget": 96},
    scorer={"scorer": "PickScore_v1", "kind": "pickscore"},
    held_out={"scorer": "Qwen3-VL-2B-Instruct", "kind": "vqascore"},
    positive=PAINTING,
    negative=UNWANTED,
    final_side=1024,
    final=settings(7, 50, 5.0),
    prefix="deradiff_sdxl",
)
_DEMO = _Subject(
    pair=demo_pair(),
    given={"prompts": "\n".join(_CAPTIONS), "n": 0, "negative": ""},
    side=64,
    searched={**settings(0, 20, 3.0, "euler"), "lowest": 0.0, "highest": 1.25, "budget": 72},
    scorer={"scorer": "warmth (built in)", "kind": "auto"},
    held_out={"scorer": "caption_judge", "kind": "clipscore"},
    positive="a purple triangle on a white background",
    negative="",
    final_side=64,
    final=settings(7, 20, 3.0, "euler"),
    prefix="deradiff_demo",
)
_SDXL_NOTE = (
    "### Find lambda for prompts like these\n\n"
    "**Prompt Set** draws 12 of the PartiPrompts. **Find Lambda** samples them at a few lambdas from the same noise, lets PickScore judge, "
    "and asks for more images only of the lambdas that could still be the best: at most 96 (**budget**). Its curve grows while it "
    "runs. It ends with a lambda and how sure it is, or with *undecided*: then the lambda is its best guess, and a larger budget goes on where "
    "it was, as does queueing again after a cancel.\n\n"
    "The **held-out** judge, VQAScore, does not choose. Where its scores surely fall, larger lambdas are left out: there the model pleases "
    "PickScore without showing the prompt better. Diffusion-DPO and PickScore learned from the same preferences (Pick-a-Pic), so "
    "look at the images too.\n\n"
    "The final image is sampled at the lambda that was found, with a prompt and at a size of its own.\n\n"
    f"{PICKSCORE}\n\n{VQASCORE}"
)
_DEMO_NOTE = (
    "### Find lambda on the demo pair\n\n"
    "**Find Lambda** samples six captions at a few lambdas from the same noise, measures each image, and asks for more images only of "
    "the lambdas that could still be the best: at most 72 (**budget**). Its curve grows while it runs. It ends with a lambda and how sure it "
    "is, or with *undecided*; a larger budget then goes on where it was, as does queueing again after a cancel.\n\n"
    "It finds what the scorer likes, and no more: the pair was aligned on **warmth** alone, so warmth rises to the end of the range, while "
    "the caption is lost. The **held-out** judge, a small CLIP that was trained on these drawings, sees that: it does not choose, but "
    "where its scores surely fall, larger lambdas are left out. Disconnect it to see what warmth alone would choose.\n\n"
    "The final image is sampled at the lambda that was found."
)

PLANS = {"Find lambda (SDXL, DPO LoRA)": _find(_SDXL, _SDXL_NOTE)}
DEMO_PLANS = {"Find lambda (demo pair)": _find(_DEMO, _DEMO_NOTE)}

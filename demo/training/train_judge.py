"""Train the demo's judge of captions: a tiny CLIP that says how well a drawing shows its caption.
Run by `make train`; resumable. Writes weights/caption_judge/, which Load Scorer reads as a clipscore (fp16).

CLIP (Radford et al., arXiv 2103.00020), section 2.3: images and captions are embedded, and a symmetric cross-entropy makes
the cosine of those that belong together the highest, of all captions for an image and of all images for a caption.

Every caption of the demo is among the captions, hence all that are wrong in one word. Among the images are drawings in a light
so strong that their colours are lost: right for no caption. All are worn as the autoencoder and a sampler wear them.
The temperature is not trained: it would grow, and with it all cosines would come to lie close together.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import drawings
import numpy as np
import session
import torch
from drawings import BACKGROUNDS, CAPTIONS, COLOURS, SHAPES, Caption
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch.nn import functional

FOLDER = session.WEIGHTS / "caption_judge"
SIDE = 32  # pixels that the judge sees
SHOWN, LOST = 96, 32  # images of a batch: those that show their captions, and those in strong light
DRAWINGS = 28_800  # of the former; of the latter as many for each as in a batch
LIGHT = 0.12  # standard deviation of the light of those that show their captions, as in the reference's data
WEAKEST = 0.45  # of strong light; the strongest is 1
SHARPNESS = 14.0  # of the softmax over cosines, one over the temperature
GREY = 0.5  # mean and standard deviation of every channel, for the processor
WORDS = {"colour": COLOURS, "shape": SHAPES, "background": BACKGROUNDS}
HELD_OUT = 1_000


def vocabulary() -> tuple[list[str], list[tuple[str, str]]]:
    """Words and merges of a CLIP tokenizer that reads each word of the captions as one token and all others byte by byte."""
    suffix = "</w>"
    learned = Tokenizer(models.BPE(end_of_word_suffix=suffix))
    learned.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(vocab_size=10_000, end_of_word_suffix=suffix, show_progress=False)
    learned.train_from_iterator(map(str, CAPTIONS), trainer)
    merges = [tuple(pair) for pair in json.loads(learned.to_str())["model"]["merges"]]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = [first + second for first, second in merges]
    words = ["<|startoftext|>", *letters, *(letter + suffix for letter in letters), *made, "<|endoftext|>"]
    return words, merges


def write_readers(folder: Path) -> None:
    """The tokenizer's and the image processor's files."""
    from transformers import CLIPImageProcessor

    folder.mkdir(parents=True, exist_ok=True)
    words, merges = vocabulary()
    numbered = {word: place for place, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(numbered) + "\n", "utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", "utf-8")
    sizes: dict[str, Any] = {"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}}
    CLIPImageProcessor(**sizes, image_mean=[GREY] * 3, image_std=[GREY] * 3).save_pretrained(folder)


def build(words: int) -> Any:
    """A CLIPModel of 0.4 M parameters with random weights."""
    from transformers import CLIPConfig, CLIPModel

    text = {"hidden_size": 80, "intermediate_size": 160, "num_hidden_layers": 2, "num_attention_heads": 4}
    text |= {"vocab_size": words, "max_position_embeddings": 24, "bos_token_id": 0, "eos_token_id": words - 1}
    vision = {"hidden_size": 96, "intermediate_size": 192, "num_hidden_layers": 3, "num_attention_heads": 4}
    vision |= {"image_size": SIDE, "patch_size": 8}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=64))
    model.logit_scale.requires_grad_(False).fill_(math.log(SHARPNESS))
    return model


def tokens(folder: Path) -> dict[str, torch.Tensor]:
    """Of every caption, as the scorer reads them."""
    from transformers import CLIPTokenizerFast  # type: ignore[attr-defined]

    made = CLIPTokenizerFast.from_pretrained(folder, local_files_only=True)(
        [str(caption) for caption in CAPTIONS], padding=True, return_tensors="pt"
    )
    return {name: made[name] for name in ("input_ids", "attention_mask")}


def worn(images: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    """Images (N, 3, S, S) in 0..1 with wavering outlines, blurred, blotched, grainy and slightly off in colour."""
    count, side = images.shape[0], images.shape[-1]

    def amount(most: float) -> torch.Tensor:
        return most * torch.rand(count, 1, 1, 1, generator=draw)

    def smooth(channels: int, cells: int) -> torch.Tensor:
        cells_of = torch.randn(count, channels, cells, cells, generator=draw)
        return functional.interpolate(cells_of, size=(side, side), mode="bicubic")

    straight = functional.affine_grid(torch.eye(2, 3).repeat(count, 1, 1), list(images.shape), align_corners=False)
    waves = (amount(0.06) * smooth(2, 6)).permute(0, 2, 3, 1)
    images = functional.grid_sample(images, straight + waves, padding_mode="border", align_corners=False)
    coarse = functional.interpolate(images, size=(side // 2, side // 2), mode="area")
    images = images.lerp(functional.interpolate(coarse, size=(side, side), mode="bicubic"), amount(1.0))
    images = images * (1 + 0.04 * torch.randn(count, 3, 1, 1, generator=draw)) + amount(0.05) * smooth(3, 12)
    return (images + amount(0.04) * torch.randn(images.shape, generator=draw)).clamp(0, 1)


def small(drawn: list[np.ndarray]) -> torch.Tensor:
    """Drawings as the processor resizes them, (N, 3, SIDE, SIDE) in 0..1."""
    images = drawings.to_tensor(drawn)
    return functional.interpolate(images, size=(SIDE, SIDE), mode="bicubic", antialias=True).clamp(0, 1)


def pixels(images: torch.Tensor) -> torch.Tensor:
    """As the processor normalises them."""
    return (images - GREY) / GREY


def drawn(lights: np.ndarray, rng: np.random.RandomState) -> torch.Tensor:
    """One drawing in each light, caption by caption, (N, 3, SIDE, SIDE) in bytes."""
    places = np.arange(len(lights)) % len(CAPTIONS)
    made = [drawings.draw(CAPTIONS[place], float(light), rng) for place, light in zip(places, lights, strict=True)]
    return torch.cat([(small(made[at : at + 256]) * 255).round().byte() for at in range(0, len(made), 256)])


def pools(work: Path, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Drawings that show their captions, and drawings in strong light; that at n is of CAPTIONS[n % len(CAPTIONS)]."""
    path = work / f"judged-{DRAWINGS}-{seed}.pt"
    if not path.exists():
        rng, lost = np.random.RandomState(seed + 2), DRAWINGS * LOST // SHOWN
        strong = rng.choice([-1, 1], size=lost) * rng.uniform(WEAKEST, 1, size=lost)
        torch.save((drawn(rng.normal(0, LIGHT, size=DRAWINGS), rng), drawn(strong, rng)), path)
    return torch.load(path, weights_only=True)


def batch(shown: torch.Tensor, lost: torch.Tensor, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """SHOWN + LOST images as the model takes them, and each one's place in CAPTIONS."""
    draw = torch.Generator().manual_seed(seed)
    chosen = [torch.randint(len(pool), (count,), generator=draw) for pool, count in ((shown, SHOWN), (lost, LOST))]
    images = torch.cat([shown[chosen[0]], lost[chosen[1]]]) / 255.0
    turned = torch.rand(len(images), 1, 1, 1, generator=draw) < 0.5
    images = images.flip(-1).where(turned, images)  # every shape is its own mirror image
    return pixels(worn(images, draw)), torch.cat(chosen) % len(CAPTIONS)


def contrast(output: Any, captions: torch.Tensor) -> torch.Tensor:
    """CLIP's loss. output: the model's, for the images and for all of CAPTIONS; captions: each image's own, the LOST last.

    A third term tells the captions from each other: two whose embeddings begin close together would else stay together,
    as the images that tell them apart would have nothing to be told apart by.
    """
    logits = output.logits_per_image  # (images, captions)
    of_image = functional.cross_entropy(logits[:SHOWN], captions[:SHOWN])
    as_right = captions[:SHOWN, None] == captions[None]
    as_right[:, SHOWN:] = False
    as_right.fill_diagonal_(False)
    of_caption = logits[:, captions[:SHOWN]].T.masked_fill(as_right, -torch.inf)
    words = output.text_embeds
    apart = functional.cross_entropy(SHARPNESS * words @ words.T, torch.arange(len(CAPTIONS)))
    return (of_image + functional.cross_entropy(of_caption, torch.arange(SHOWN))) / 2 + apart


def one_word_wrong(caption: Caption) -> Iterator[tuple[str, Caption]]:
    """The kind of the word, and the caption with that word changed, for each other word."""
    for kind, words in WORDS.items():
        yield from ((kind, replace(caption, **{kind: word})) for word in words if word != getattr(caption, kind))


@torch.no_grad()
def accuracy(model: torch.nn.Module, texts: dict[str, torch.Tensor], seed: int) -> dict[str, float]:
    """By kind of word: the share of drawings, not worn, that score higher with their caption than with one that is wrong in a word."""
    rng = np.random.RandomState(seed)
    right: dict[str, list[bool]] = {kind: [] for kind in WORDS}
    shown = rng.randint(len(CAPTIONS), size=HELD_OUT)
    images = small([drawings.draw(CAPTIONS[place], rng.normal(0, LIGHT), rng) for place in shown])
    logits = model(pixel_values=pixels(images), **texts).logits_per_image
    for row, place in zip(logits, shown, strict=True):
        for kind, wrong in one_word_wrong(CAPTIONS[place]):
            right[kind].append(bool(row[place] > row[CAPTIONS.index(wrong)]))
    return {kind: sum(found) / len(found) for kind, found in right.items()}


def main() -> None:
    options = session.arguments(__doc__, steps=2400)
    torch.set_num_threads(1)  # the fastest for a model as small as this
    write_readers(FOLDER)
    texts = tokens(FOLDER)
    model = build(len(vocabulary()[0]))

    shown, lost = pools(options.work, options.seed)

    def loss_at(step: int) -> torch.Tensor:
        images, captions = batch(shown, lost, options.seed * 1_000_000 + step)
        return contrast(model(pixel_values=images, **texts), captions)

    trained = [value for value in model.parameters() if value.requires_grad]
    model.load_state_dict(session.train("judge", model, trained, loss_at, options, peak=1.5e-3, decay=0.99))
    for kind, share in accuracy(model.eval(), texts, options.seed * 1_000_000 + 900_000).items():
        sys.stdout.write(f"prefers the right {kind}: {share:.1%}\n")
    model.half().save_pretrained(FOLDER)


if __name__ == "__main__":
    main()

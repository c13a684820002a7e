"""Where the prompt stands in a workflow: a sampler's conditioning followed back to the texts that it was encoded from.
Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .graph import Declared, Link, Place, Prompt, link, links, named, value

PROMPT_SET = "DeRaDiffPromptSet"
_SIDES = {"prompt": ("positive", "conditioning", "cond1", "cond2"), "negative": ("negative",)}
_MODELS = ("model", "reference")
_BOTH = ("positive", "negative")  # inputs of a node that passes on both, in the order of its outputs
_WITHOUT_TEXT = ("ConditioningZeroOut",)
_TEXTS = (
    *("text", "text_g", "text_l", "clip_g", "clip_l", "t5xxl", "llama", "prompt"),
    *("value", "string", "string_a", "string_b"),
)  # inputs that hold text, where the server was not asked


@dataclass(frozen=True)
class Text:
    """The texts of one encoder, which are one prompt, or one text that is made into a prompt by other nodes.

    in_set: whether it is what a Prompt Set gives.
    """

    places: tuple[Place, ...]
    content: tuple[object, ...]
    in_set: bool


@dataclass(frozen=True)
class Reader:
    """Finds the texts of a prompt. classes: what the server declares of its nodes."""

    prompt: Prompt
    classes: Declared

    def texts(self, side: str) -> list[Text]:
        """The texts behind every sampler's and guider's conditioning, each once. side: "prompt" or "negative"."""
        found: dict[Text, None] = {}
        seen: set[Link] = set()
        for node in self.prompt.values():
            sources = dict(links(node))
            if any(name in sources for name in _MODELS):
                for name in _SIDES[side]:
                    if name in sources:
                        found.update(dict.fromkeys(self._behind(sources[name], seen)))
        return list(found)

    def holders(self) -> list[Place]:
        """Every input that holds a text of its own: what a person may choose from."""
        return [
            Place(name, input_)
            for name, node in self.prompt.items()
            for input_, text in node["inputs"].items()
            if isinstance(text, str) and self._is_text(node["class_type"], input_)
        ]

    def _behind(self, source: Link, seen: set[Link]) -> Iterator[Text]:
        if source in seen:
            return
        seen.add(source)
        name, slot = source
        node = self.prompt[name]
        if node["class_type"] in _WITHOUT_TEXT:
            return
        yield from self._encoded(name)
        inputs = dict(links(node))
        for input_, other in inputs.items():
            if (
                input_ in _BOTH
                and slot < len(_BOTH)
                and all(each in inputs for each in _BOTH)
                and input_ != _BOTH[slot]
            ):
                continue
            if self._is_conditioning(input_, other):
                yield from self._behind(other, seen)

    def _encoded(self, name: str) -> Iterator[Text]:
        """The texts that a node encodes: those that stand in it together, those that other nodes make each alone."""
        node = self.prompt[name]
        inputs = [input_ for input_ in node["inputs"] if self._is_text(node["class_type"], input_)]
        own = [Place(name, input_) for input_ in inputs if self._origin(Place(name, input_)) == [Place(name, input_)]]
        groups = [tuple(own)] if own else []
        groups += [(place,) for input_ in inputs for place in self._origin(Place(name, input_)) if place not in own]
        for group in groups:
            in_set = any(self._gives(value(self.prompt, place)) == PROMPT_SET for place in group)
            yield Text(group, tuple(dict.fromkeys(str(value(self.prompt, place)) for place in group)), in_set)

    def _origin(self, place: Place, depth: int = 0) -> list[Place]:
        """Where a text comes from: the input itself if it stands there or its link leads to no text that could be set."""
        source = link(value(self.prompt, place))
        if source is None or depth > len(self.prompt) or self._gives(list(source)) == PROMPT_SET:
            return [place]
        node = self.prompt[source[0]]
        inputs = [name for name in node["inputs"] if self._is_text(node["class_type"], name)]
        found = [each for name in inputs for each in self._origin(Place(source[0], name), depth + 1)]
        return found or [place]

    def _gives(self, text: object) -> str | None:
        """The class of the node that a linked text comes from."""
        source = link(text)
        return None if source is None else self.prompt[source[0]]["class_type"]

    def _is_text(self, kind: str, name: str) -> bool:
        declared, options = self.classes.input(kind, name)
        if declared is None:
            return name in _TEXTS
        return declared == "STRING" and (
            name in _TEXTS or bool(options.get("multiline") or options.get("dynamicPrompts"))
        )

    def _is_conditioning(self, name: str, source: Link) -> bool:
        given = self.classes.output(self.prompt[source[0]]["class_type"], source[1])
        return given == "CONDITIONING" if given is not None else ("cond" in name or name in _BOTH)


def the_only(texts: Sequence[Text]) -> list[Place] | None:
    """The places of the one prompt that the texts are, [] if there is none; None if they are several.

    What a Prompt Set gives is the prompt, whatever is added to it; the same text in several encoders is one prompt.
    """
    chosen = [text for text in texts if text.in_set] or list(texts)
    if len({text.content for text in chosen}) > 1:
        return None
    return list(dict.fromkeys(place for text in chosen for place in text.places))


def listed(prompt: Prompt, places: Sequence[Place]) -> str:
    """Places to choose from, one a line, with what stands there."""
    lines = (f"  {place}  of {named(prompt, place.node)}: {_shortened(value(prompt, place))}" for place in places)
    return "\n".join(lines)


def _shortened(content: object) -> str:
    text = " ".join(repr(content).split())
    return text if len(text) <= 70 else f"{text[:67]}..."

"""The search for lambda over an evaluation's workers: its blocks as rows, and the rows' scores back to it. Knows neither Ray nor ComfyUI.

A block of the search is one prompt and seed: every prompt at the first seed, then every prompt at the second. What it asks follows from the
scores alone, so a run that goes on asks the same again and takes what the table has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from deradiff.nodes.method.strength import checked_lambda
from deradiff.nodes.scoring.search import Ask, Search, candidates

from .rows import Group, Plan, Row
from .store import SCORE, Record


def begun(between: str, budget: int, confidence: float, indifference: float) -> Search:
    """A search between two lambdas, LOW:HIGH. Raises ValueError that says which option cannot be."""
    try:
        low, high = map(float, between.split(":"))
    except ValueError:
        raise ValueError(f"--search: expected two lambdas such as 0:1.5, got {between!r}.") from None
    low, high = (checked_lambda(value, "--search: each of the two lambdas", "") for value in (low, high))
    return Search(candidates(low, high), budget, confidence, indifference)


@dataclass(frozen=True)
class Hunt:
    """A search and whom it asks. scorer, held_out: judges of the recipe, "" for no held-out one."""

    search: Search
    plan: Plan
    scorer: str
    held_out: str = ""

    def rows(self, ask: Ask) -> Group:
        """What an ask asks for."""
        round_, number = divmod(ask.block, len(self.plan.prompts))
        prompt, seed = self.plan.prompts[number], self.plan.seeds[round_]
        return tuple(
            Row(number, prompt.text, prompt.negative, prompt.tag, seed, strength) for strength in ask.strengths
        )

    def groups(self, asks: Sequence[Ask], known: Mapping[str, Record]) -> Iterator[Group]:
        """The rows of a round that are not known, each block's together."""
        for ask in asks:
            if group := tuple(row for row in self.rows(ask) if row.key not in known):
                yield group

    def learn(self, asks: Sequence[Ask], known: Mapping[str, Record]) -> None:
        """Take a round's scores. Raises ValueError if one of its rows failed: the others of its block are compared with it."""
        for ask in asks:
            records = {row.strength: known[row.key] for row in self.rows(ask)}
            for record in records.values():
                if record["error"] is not None:
                    raise ValueError(
                        f"The search ends, as it compares the lambdas of a prompt and seed and one of them failed: prompt {record['prompt'] + 1} at lambda "
                        f"{record['lambda']:g}: {record['error']} Mend or leave out that prompt; --retry-failed tries it again."
                    )
            self.search.note(ask.block, *(self._judged(records, judge) for judge in (self.scorer, self.held_out)))

    def _judged(self, records: Mapping[float, Record], judge: str) -> dict[float, float]:
        return {strength: record[SCORE + judge] for strength, record in records.items()} if judge else {}

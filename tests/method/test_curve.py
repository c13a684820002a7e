"""The curve and the schedule: interpolation, parsing, and the golden file that JavaScript is held to as well.
Run as a script, it writes the golden file anew.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    import conftest  # noqa: F401

from deradiff.nodes.method.curve import HIGHEST, LINEAR, MONOTONE_CUBIC, parse_curve

GOLDEN = Path(__file__).with_name("curves.json")
CURVES = [
    [[0, 1], [1, 1]],
    [[0, 0], [1, 1]],
    [[0, 2], [1, 0]],
    [[0.5, 0.7]],
    [[0.2, 0.3], [0.9, 1.9]],
    [[0, 1], [0.25, 0.8536], [0.5, 0.5], [0.75, 0.1464], [1, 0]],
    [[0, 0], [0.2, 0], [0.3, 1], [0.7, 1], [0.8, 0], [1, 0]],
    [[0, 0.1], [0.1, 2], [0.11, 0], [0.5, 0], [0.500001, 1.3], [1, 1.3]],
    [[0, 0], [0.5, 1e-12], [0.500002, 1], [1, 1]],
    [[0, 0], [0.01, 0.001], [0.02, 1.999], [0.9, 2], [1, 0.3333333333333333]],
]


def _golden() -> list[dict]:
    rng = random.Random(4)
    xs = [*(index / 40 for index in range(41)), 0.2, 0.3, 1 / 3, 0.500001, *(rng.random() for _ in range(16))]
    many = [[x, rng.uniform(0, HIGHEST)] for x in sorted(rng.random() for _ in range(12))]
    return [
        {
            "points": points,
            "interpolation": how,
            "xs": xs,
            "ys": [parse_curve(json.dumps(points), how).at(x) for x in xs],
        }
        for points in [*CURVES, many]
        for how in (MONOTONE_CUBIC, LINEAR)
    ]


def test_the_golden_file_is_what_python_computes_bit_for_bit() -> None:
    assert json.loads(GOLDEN.read_text(encoding="utf-8")) == _golden()


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(_golden()) + "\n", encoding="utf-8")

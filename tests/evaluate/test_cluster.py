"""A cluster of several Ray nodes, by Ray's own fixture: a node goes and another comes while the command runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster
from support import evaluating

OPTIONS = ("--lambda", "0, 0.5, 1", "--seeds", "6", "--scorer", "warmth (built in)")


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A head without room for workers."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    yield found
    found.shutdown()


def test_a_node_goes_and_another_comes(cluster: Cluster, tmp_path: Path) -> None:
    base, out = evaluating.base_directory(tmp_path / "base"), tmp_path / "run"
    workflow, prompts = tmp_path / "workflow.json", tmp_path / "prompts.txt"
    workflow.write_text(json.dumps(evaluating.graph(steps=2)), "utf-8")
    prompts.write_text("a red circle on a white background\na blue star on a grey background\n", "utf-8")
    leaving = cluster.add_node(num_cpus=1)
    options = ["--prompts", str(prompts), *OPTIONS, "--address", cluster.address]
    run = evaluating.Run(workflow, base, out, options, workers=0)
    run.wait_for(lambda: run.images() >= 4)
    cluster.remove_node(leaving, allow_graceful=False)
    made = run.images()
    cluster.add_node(num_cpus=1)
    assert run.wait() == 0, run.said()[-3000:]
    assert made < 36, "the node went too late for this test"
    table = evaluating.rows(out)
    assert [(row["seed"], row["prompt"], row["lambda"]) for row in table] == [
        (seed, prompt, strength) for seed in range(6) for prompt in range(2) for strength in (0.0, 0.5, 1.0)
    ]
    assert len(evaluating.all_pixels(out)) == 36

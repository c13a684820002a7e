"""Builds workflows in ComfyUI's own page, in both front ends, and writes down what the page saves beside what it exports for the server.
For development, in the environment of `make env`, with CHROMIUM set: PYTHONPATH=tests:demo python tests/evaluate/saved/write.py
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import comfyui
import environment
from support import browser

PLACE = Path(__file__).with_name("workflows.json")
START = json.loads((comfyui.DEMO / "Lambda (demo pair).json").read_text("utf-8"))
ONLY_SEEN = {
    *(
        "pos",
        "size",
        "flags",
        "order",
        "color",
        "bgcolor",
        "localized_name",
        "bounding",
        "properties",
        "extra",
        "groups",
        "config",
        "state",
    ),
    "title",
}
KEPT = {"proxyWidgets", "previewExposures"}  # properties that a subgraph's widgets depend on
BUILD = """async () => {
  const { app, LiteGraph } = window;
  const g = app.graph;
  const by = (kind, n = 0) => g.nodes.filter((node) => node.type === kind)[n];
  const add = (kind) => {
    const node = LiteGraph.createNode(kind);
    if (!node) throw new Error(`no ${kind}`);
    node.pos = [0, 2000];
    g.add(node);
    return node;
  };
  const place = (slots, name) => (typeof name === "number" ? name : slots.findIndex((slot) => slot.name === name));
  const link = (from, output, to, input) => from.connect(place(from.outputs, output), to, place(to.inputs, input));
  const wait = (milliseconds = 300) => new Promise((resolve) => setTimeout(resolve, milliseconds));
  const set = (node, name, value) => {
    const widget = node.widgets.find((each) => each.name === name);
    widget.value = value;
    widget.callback?.(value);
  };
  const wrap = async (...nodes) => {
    await wait();
    const made = g.convertToSubgraph(new Set(nodes));
    await wait();
    return made;
  };
  const promote = async ({ subgraph }, name, type) => {
    const inner = subgraph.nodes[0];
    subgraph.addInput(name, type).connect(inner.inputs.find((slot) => slot.name === name), inner);
    await wait();
  };
  const sampler = by("DeRaDiffKSampler"), checkpoint = by("CheckpointLoaderSimple"), pair = by("DeRaDiffLoadLoraPair");
  const decode = by("VAEDecode"), save = by("SaveImage"), latent = by("EmptyLatentImage");
  const positive = by("CLIPTextEncode", 0), negative = by("CLIPTextEncode", 1);
  %s
  await wait();
  const workflow = JSON.parse(JSON.stringify(g.serialize({ sortNodes: true })));
  const { output } = await app.graphToPrompt();
  return JSON.stringify({ workflow, prompt: output });
}"""
CASES = {
    "subgraph": "await wrap(sampler, decode);",
    "nested subgraphs": "const { node } = await wrap(sampler, decode); await wrap(node, positive, latent);",
    "one subgraph used twice": """
      const { subgraph } = await wrap(positive);
      const second = add(subgraph.id);
      link(checkpoint, "CLIP", second, "clip");
      link(second, 0, sampler, "negative");""",
    "widget of a subgraph": """
      set(sampler, "seed", 77);
      const made = await wrap(sampler);
      await promote(made, "lambda", "FLOAT");
      set(made.node, "lambda", 0.81);""",
    "linked widget of a subgraph": """
      const made = await wrap(sampler);
      await promote(made, "lambda", "FLOAT");
      const number = add("PrimitiveFloat");
      set(number, "value", 0.33);
      link(number, 0, made.node, "lambda");""",
    "widgets shown by a subgraph": """
      set(positive, "text", "inside");
      const { node } = await wrap(positive, latent);
      node.properties.proxyWidgets = [[String(positive.id), "text"], [String(latent.id), "width"]];
      await wait(500);
      for (const widget of node.widgets ?? []) {
        if (widget.name === "text") widget.value = "outside";
        if (widget.name === "width") widget.value = 128;
      }""",
    "reroutes": """
      const one = add("Reroute"), two = add("Reroute"), three = add("Reroute");
      link(checkpoint, "MODEL", one, 0);
      link(one, 0, pair, "model");
      link(decode, 0, two, 0);
      link(two, 0, three, 0);
      link(three, 0, save, "images");
      g.createReroute([10, 10], [...g.links.values()].find((each) => each.target_id === sampler.id && each.origin_id === latent.id));""",
    "primitives": """
      const seed = add("PrimitiveNode"), number = add("PrimitiveFloat"), text = add("PrimitiveStringMultiline");
      link(seed, 0, sampler, "seed");
      await wait(500);
      set(seed, "value", 1234);
      set(number, "value", 0.25);
      link(number, 0, sampler, "lambda");
      set(text, "value", "a text");
      link(text, 0, positive, "text");""",
    "bypassed": """
      const lora = add("LoraLoader"), average = add("ConditioningAverage");
      link(checkpoint, "MODEL", lora, "model");
      link(checkpoint, "CLIP", lora, "clip");
      link(lora, "MODEL", pair, "model");
      link(lora, "CLIP", positive, "clip");
      link(positive, 0, average, "conditioning_to");
      link(negative, 0, average, "conditioning_from");
      link(average, 0, sampler, "positive");
      lora.mode = average.mode = 4;""",
    "bypassed subgraph": """
      const area = add("ConditioningSetArea");
      link(negative, 0, area, "conditioning");
      link(area, 0, sampler, "negative");
      (await wrap(area)).node.mode = 4;""",
    "muted": """
      const preview = add("PreviewImage"), mask = add("SolidMask"), number = add("PrimitiveFloat"), note = add("Note");
      link(decode, 0, preview, "images");
      link(mask, 0, sampler, "mask");
      link(number, 0, sampler, "lambda");
      set(note, note.widgets[0].name, "hello");
      preview.mode = mask.mode = number.mode = 2;""",
    "muted subgraph": """
      const preview = add("PreviewImage");
      link(decode, 0, preview, "images");
      (await wrap(preview)).node.mode = 2;""",
    "upload buttons": """
      const image = add("LoadImage"), mask = add("LoadImageMask"), encode = add("VAEEncode");
      link(image, "IMAGE", encode, "pixels");
      link(checkpoint, "VAE", encode, "vae");
      link(encode, 0, sampler, "latent_image");
      link(mask, 0, sampler, "mask");""",
    "curve and second sampler": """
      const schedule = add("DeRaDiffLambdaSchedule"), second = add("KSamplerAdvanced");
      link(schedule, 0, sampler, "schedule");
      link(pair, "reference", second, "model");
      link(positive, 0, second, "positive");
      link(negative, 0, second, "negative");
      link(sampler, 0, second, "latent_image");
      set(second, "control_after_generate", "randomize");
      link(second, 0, decode, "samples");""",
}  # fmt: skip


def _bare(value: Any) -> Any:
    """Without what only says how it looks."""
    if isinstance(value, list):
        return [_bare(each) for each in value]
    if not isinstance(value, dict):
        return value
    found = {key: _bare(each) for key, each in value.items() if key not in ONLY_SEEN}
    shown = {key: each for key, each in (value.get("properties") or {}).items() if key in KEPT and each}
    return {**found, "properties": shown} if shown else found


def main() -> None:
    base = comfyui.base_directory("saved")
    comfyui.prepare(base)
    found = {}
    for front_end in (None, environment.front_end(sys.executable)):
        with (
            comfyui.Server(base, log=base / "saved.log", front_end=front_end) as server,
            browser.launched() as chromium,
        ):
            page = browser.opened(chromium, server)
            version = ".".join(map(str, browser.version(page)))
            for name, built in CASES.items():
                browser.load_workflow(page, START)
                page.wait_for_timeout(300)
                found[f"{name}, {version}"] = _bare(json.loads(page.evaluate(BUILD % built)))
    lines = (f"{json.dumps(name)}: {json.dumps(case, separators=(',', ':'))}" for name, case in found.items())
    PLACE.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


if __name__ == "__main__":
    main()

// Runs inside ComfyUI's page: makes the blueprint of a pair and its sampler with the real front end and returns it as JSON text.
// plan: {id, subgraph, name, description, version, lora: {name, url, directory}}; id and subgraph are those of the two graphs.
async (plan) => {
  const { app, LiteGraph } = window;
  const graph = app.graph;
  graph.clear();
  const create = (kind, position) => {
    const node = LiteGraph.createNode(kind);
    if (!node) throw new Error(`The front end has no node ${kind}.`);
    node.pos = position;
    graph.add(node);
    if (kind.startsWith("DeRaDiff")) Object.assign(node.properties, { cnr_id: "deradiff", ver: plan.version });
    return node;
  };
  const set = (node, values) => {
    for (const widget of node.widgets) if (widget.name in values) widget.value = values[widget.name];
  };
  const link = (from, output, to, input) => {
    const out = from.outputs.findIndex((slot) => slot.name === output);
    const into = to.inputs.findIndex((slot) => slot.name === input);
    if (out < 0 || into < 0) throw new Error(`No link ${output} -> ${to.type}.${input}.`);
    from.connect(out, to, into);
  };

  const pair = create("DeRaDiffLoadLoraPair", [0, 0]);
  pair.setSize([420, pair.size[1]]);
  pair.properties.models = [plan.lora];
  set(pair, { lora: plan.lora.name });
  const sampler = create("DeRaDiffKSampler", [500, 0]);
  const values = { steps: 30, cfg: 5, sampler_name: "euler_ancestral", scheduler: "normal", control_after_generate: "fixed" };
  set(sampler, { ...values, lambda: 0.5, seed: 42 });
  link(pair, "reference", sampler, "reference");
  link(pair, "aligned", sampler, "aligned");

  // What stands outside gives the subgraph its sockets, and goes again.
  const outside = ["CheckpointLoaderSimple", "CLIPTextEncode", "CLIPTextEncode", "EmptyLatentImage", "VAEDecode", "PreviewAny"];
  const [model, positive, negative, latent, decode, shown] = outside.map((kind, index) => create(kind, [-600, 300 * index]));
  link(model, "MODEL", pair, "model");
  link(positive, "CONDITIONING", sampler, "positive");
  link(negative, "CONDITIONING", sampler, "negative");
  link(latent, "LATENT", sampler, "latent_image");
  link(sampler, "latent", decode, "samples");
  link(sampler, "KL (nats)", shown, "source");
  const { subgraph, node: host } = graph.convertToSubgraph(new Set([pair, sampler]));
  for (const node of [model, positive, negative, latent, decode, shown]) graph.remove(node);

  const promoted = ["lambda", "seed", "control_after_generate", "steps", "cfg", "sampler_name", "scheduler", "denoise", "lambda_meaning"];
  host.properties.proxyWidgets = [[String(pair.id), "lora"], ...promoted.map((name) => [String(sampler.id), name])];
  Object.assign(host.properties, { cnr_id: "deradiff", ver: plan.version });
  host.title = subgraph.name = plan.name;
  host.pos = [0, 0];
  await new Promise((resolve) => setTimeout(resolve, 500));
  host.setSize([420, host.computeSize()[1]]);
  graph.id = plan.id;
  const saved = JSON.parse(JSON.stringify(graph.serialize({ sortNodes: true })));
  saved.definitions.subgraphs[0].id = plan.subgraph;
  saved.nodes[0].type = plan.subgraph;
  Object.assign(saved.definitions.subgraphs[0], { category: "DeRaDiff", description: plan.description });
  saved.extra = { BlueprintDescription: plan.description };
  return JSON.stringify(saved);
}

// Runs inside ComfyUI's page: builds one workflow from its plan with the real front end and returns it as JSON text.
// plan: {id, text, version, stacks: [[{title, colour, columns: [[node, ...], ...]}, ...], ...]}, as in workflow_nodes.py.
async (plan) => {
  const GAP_X = 50, TITLE = 30, HEAD = 80, PAD = 20, NOTE = 460;
  const ROOM = 75; // below a node: Nodes 2.0 gives it higher rows and a footer
  const GAP_Y = TITLE + ROOM;
  const { app, LiteGraph } = window;
  const graph = app.graph;
  graph.clear();
  app.canvas.deselectAll();

  const create = (kind, title, size, position) => {
    const node = LiteGraph.createNode(kind);
    if (!node) throw new Error(`The front end has no node ${kind}.`);
    node.pos = position;
    if (title) node.title = title;
    graph.add(node);
    const least = node.computeSize();
    node.setSize([Math.max(size[0], least[0]), Math.max(size[1], least[1])]);
    return node;
  };

  const setValues = (node, values) => {
    for (const widget of node.widgets ?? []) {
      if (widget.name === "control_after_generate") widget.value = "fixed"; // so that lambdas can be compared
      if (!(widget.name in values)) continue;
      widget.value = values[widget.name];
      delete values[widget.name];
    }
    const unknown = Object.keys(values);
    if (unknown.length) throw new Error(`${node.type} has no widget ${unknown.join(", ")}.`);
  };

  const setProperties = (node, files) => {
    const ours = node.type.startsWith("DeRaDiff");
    if (ours) Object.assign(node.properties, { cnr_id: "deradiff", ver: plan.version });
    else if (node.type !== "MarkdownNote") node.properties.cnr_id = "comfy-core";
    if (files.length) node.properties.models = files;
  };

  // The note has room for its text, which the page lays out a little later and Nodes 2.0 sets larger.
  const note = create("MarkdownNote", "About this workflow", [NOTE, 100], [0, TITLE]);
  note.widgets[0].value = plan.text;
  Object.assign(app.canvas.ds, { scale: 1, offset: [100, 100] }); // far away or small it would not be laid out
  let height = 0, seen = 0;
  while (seen < 4) {
    app.canvas.setDirty(true, true);
    await new Promise((resolve) => setTimeout(resolve, 250));
    const now = note.widgets[0].element.querySelector(".ProseMirror, .tiptap").scrollHeight;
    seen = now && now === height ? seen + 1 : 0;
    height = now;
  }
  note.setSize([NOTE, 1.5 * height + 90]);

  const made = {};
  const column = (nodes, x, top) => {
    let y = top, width = 0;
    for (const description of nodes) {
      const node = create(description.kind, description.title, description.size, [x, y]);
      setValues(node, description.values);
      setProperties(node, description.files);
      made[description.name] = { node, inputs: description.inputs };
      y += node.size[1] + GAP_Y;
      width = Math.max(width, node.size[0]);
    }
    for (const { name } of nodes) made[name].node.setSize([width, made[name].node.size[1]]);
    return [x + width, y - GAP_Y];
  };
  const group = ({ title, colour, columns }, left, top) => {
    let x = left + PAD, right = 0, bottom = 0;
    for (const nodes of columns) {
      const [end, low] = column(nodes, x, top + HEAD);
      [right, bottom, x] = [end, Math.max(bottom, low), end + GAP_X];
    }
    const frame = new LiteGraph.LGraphGroup(title);
    frame.color = colour;
    frame.pos = [left, top];
    frame.size = [right + PAD - left, bottom + ROOM + PAD - top];
    graph.add(frame);
    return [right + PAD, bottom + ROOM + PAD];
  };
  let x = 0, y = TITLE + note.size[1] + GAP_X;
  for (const groups of plan.stacks) {
    let width = 0;
    for (const described of groups) {
      const [right, bottom] = group(described, x, y);
      width = Math.max(width, right - x);
      y = bottom + GAP_X;
    }
    x += width + GAP_X;
    y = 0;
  }

  for (const { node, inputs } of Object.values(made)) {
    for (const [socket, source] of Object.entries(inputs)) {
      const [name, output] = source.split(".");
      const from = made[name].node;
      const out = from.outputs.findIndex((slot) => slot.name === output);
      const into = node.inputs.findIndex((slot) => slot.name === socket);
      if (out < 0 || into < 0) throw new Error(`No link ${source} -> ${node.type}.${socket}.`);
      from.connect(out, node, into);
    }
  }

  // Centred in the window, so that the workflow opens in full.
  const box = [0, Infinity, 0, 0];
  for (const item of [...graph._nodes, ...graph._groups]) {
    box[1] = Math.min(box[1], item.pos[1] - (item.comfyClass ? TITLE : 0));
    box[2] = Math.max(box[2], item.pos[0] + item.size[0]);
    box[3] = Math.max(box[3], item.pos[1] + item.size[1]);
  }
  const MENU = 100, SIDE = 80; // pixels that the page covers at the top and at the left
  const room = [window.innerWidth - SIDE, window.innerHeight - MENU];
  const scale = Math.min(1, (0.96 * room[0]) / box[2], (0.9 * room[1]) / (box[3] - box[1]));
  app.canvas.ds.scale = scale;
  app.canvas.ds.offset = [
    (SIDE + (room[0] - box[2] * scale) / 2) / scale,
    (MENU + (room[1] - (box[3] - box[1]) * scale) / 2) / scale - box[1],
  ];
  app.canvas.setDirty(true, true);

  graph.id = plan.id;
  const saved = graph.serialize({ sortNodes: true });
  const { output } = await app.graphToPrompt();
  return JSON.stringify({ workflow: saved, prompt: output });
}

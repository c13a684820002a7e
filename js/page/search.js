// Finding the realigning nodes by what people look for, where ComfyUI sends no search aliases of nodes (before 0.11).
// Works in LiteGraph and in Nodes 2.0.

import { app } from "../../../scripts/app.js";
import { REALIGNING } from "../lib/kinds.js";

const WORDS = ["KL", "DPO", "lambda", "alignment"];
const PACK = " (DeRaDiff)"; // the end of every name

/** @type {Map<string, string>} the nodes' own names, by type */
const names = new Map();

app.registerExtension({
  name: "DeRaDiff.Search",
  /**
   * The front ends of that time look at the names alone, and only at the first thirty characters.
   * @param {Record<string, any>} defs of all nodes, as the server sent them
   */
  addCustomNodeDefs(defs) {
    for (const kind of REALIGNING) {
      const def = defs[kind];
      if (!def || "search_aliases" in def) continue;
      names.set(kind, def.display_name);
      def.search_aliases = WORDS;
      def.display_name = def.display_name.replace(PACK, `: ${WORDS.join(" ")}${PACK}`);
    }
  },
  /** Nodes in the graph keep their names: those that are added take their type's, and so do those that are loaded. */
  setup() {
    for (const [kind, name] of names) {
      const type = globalThis.LiteGraph?.registered_node_types?.[kind];
      if (type) type.title = name;
    }
  },
});

// Finding the realigning nodes by what people look for, where ComfyUI sends no search aliases of nodes (before 0.11).
// Works in LiteGraph and in Nodes 2.0.

import { app } from "../../../scripts/app.js";
import { REALIGNING } from "../lib/kinds.js";

const WORDS = ["lambda", "DPO alignment", "KL"];

/** @type {Map<string, string>} the nodes' own names, by type */
const names = new Map();

app.registerExtension({
  name: "DeRaDiff.Search",
  /** @param {Record<string, any>} defs of all nodes, as the server sent them */
  addCustomNodeDefs(defs) {
    for (const kind of REALIGNING) {
      const def = defs[kind];
      if (!def || "search_aliases" in def) continue;
      names.set(kind, def.display_name);
      def.search_aliases = WORDS;
      def.display_name += `: ${WORDS.join(", ")}`; // front ends of that time look at the name alone
    }
  },
  /** @param {any} type @param {any} def */
  beforeRegisterNodeDef(type, def) {
    if (names.has(def.name)) type.title = names.get(def.name); // the title of a node keeps it
  },
});

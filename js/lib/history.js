// The results of a node's last run, from the server's history: ComfyUI forgets them in the page when it is reloaded.
// Uses only the graph and the server's API that it is given: imports no ComfyUI.

const RUNS = 10; // how many of the last runs are looked at
const NO_ID = "00000000-0000-0000-0000-000000000000"; // of every workflow that has none of its own

/**
 * The key of a node in app.nodeOutputs: "5", or "<subgraph>:5".
 * @param {any} root the outermost graph
 * @param {any} node
 * @returns {string}
 */
export function locatorOf(root, node) {
  const { graph } = node;
  return !graph || graph === root ? String(node.id) : `${graph.id}:${node.id}`;
}

/**
 * @param {any} root
 * @param {string} path of a node in a run: "5", or "12:5" in the subgraph of node 12
 * @returns {string | null} its locator; null: the graph has no such node any more
 */
export function locatorFrom(root, path) {
  const ids = path.split(":");
  let graph = root;
  for (const id of ids.slice(0, -1)) graph = graph?.getNodeById(id)?.subgraph;
  const node = graph?.getNodeById(ids[ids.length - 1]);
  return node ? locatorOf(root, node) : null;
}

/**
 * @param {{fetchApi: (path: string) => Promise<Response>}} api
 * @param {any} root
 * @param {string} locator
 * @returns {Promise<any>} what onExecuted was given in the newest run of this workflow that reached the node; null if there is none
 */
export async function lastOutput(api, root, locator) {
  if (root.id === NO_ID) return null;
  const answer = await api.fetchApi(`/history?max_items=${RUNS}`);
  if (!answer.ok) return null;
  const runs = Object.values(await answer.json()).reverse();
  for (const { prompt, outputs } of runs) {
    if (prompt?.[3]?.extra_pnginfo?.workflow?.id !== root.id) continue;
    for (const [path, output] of Object.entries(outputs ?? {})) {
      if (locatorFrom(root, path) === locator) return output;
    }
  }
  return null;
}

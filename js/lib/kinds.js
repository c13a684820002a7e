// The type of a node, and the types that realign.
// Pure: no DOM, no ComfyUI.

/**
 * @param {any} node
 * @returns {string}
 */
export const kindOf = (node) => node.comfyClass ?? node.type;

export const REALIGNING = ["DeRaDiffKSampler", "DeRaDiffKSamplerAdvanced", "DeRaDiffRealign"];

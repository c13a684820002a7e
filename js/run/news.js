// Which warnings of a run are new to the user: said by none of the same node in the run before, and once in a run.
// Pure: no DOM, no ComfyUI.

export class News {
  /** @type {Set<string>} */ #before = new Set();
  /** @type {Set<string>} */ #now = new Set();

  /** A run begins. */
  begin() {
    this.#before = this.#now;
    this.#now = new Set();
  }

  /**
   * @param {string} node
   * @param {string[]} texts what it warns of
   * @returns {string[]} those that are new
   */
  of(node, texts) {
    const keys = texts.map((text) => `${node} ${text}`);
    const found = texts.filter((_, index) => !this.#before.has(keys[index]) && !this.#now.has(keys[index]));
    for (const key of keys) this.#now.add(key);
    return found;
  }
}

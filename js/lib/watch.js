// Following what has no event of its own: values of other nodes' widgets, links, modes.
// DOM timing only: no ComfyUI.
//
// A widget is changed by dragging, typing, undo, another extension or a workflow, in two front ends; a link by many more.
// Comparing a few values once per frame sees them all, and stops by itself while the tab is hidden.

/** @type {Set<() => void>} */
const looks = new Set();
let waiting = false;

/**
 * Call `show` with what `read` returns, now and whenever that becomes another (compared as JSON).
 * @template T
 * @param {() => T} read
 * @param {(value: T) => void} show
 * @returns {() => void} stop watching
 */
export function watch(read, show) {
  let known = "";
  const look = () => {
    const value = read();
    const text = JSON.stringify(value);
    if (text === known) return;
    known = text;
    show(value);
  };
  looks.add(look);
  wait();
  return () => looks.delete(look);
}

function wait() {
  if (waiting || !looks.size) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    wait();
    for (const look of looks) look();
  });
}

// Watching what sends no event: values of other nodes' widgets, links, modes.
// Uses only the page's clock and animation frames: no ComfyUI.
//
// Dragging, typing, undo, other extensions and workflows change a widget, in two front ends; even more changes a link.
// Comparing a few values finds every change: ten times a second, and never while the tab is hidden.

const EVERY = 100; // milliseconds

/** @type {Set<() => void>} */
const looks = new Set();
let waiting = false;

/**
 * Call `show` with what `read` returns, soon and whenever it changes (compared as JSON). An error of either is reported
 * once, and the next look tries again.
 * @template T
 * @param {() => T} read
 * @param {(value: T) => void} show
 * @returns {() => void} stop watching
 */
export function watch(read, show) {
  let known = "";
  let failed = false;
  const look = () => {
    try {
      const value = read();
      const text = JSON.stringify(value);
      if (text !== known) show(value);
      known = text;
      failed = false;
    } catch (error) {
      if (!failed) console.error("ComfyUI-DeRaDiff:", error);
      failed = true;
    }
  };
  looks.add(look);
  wait();
  return () => looks.delete(look);
}

function wait() {
  if (waiting || !looks.size) return;
  waiting = true;
  setTimeout(() => requestAnimationFrame(lookAround), EVERY);
}

function lookAround() {
  waiting = false;
  for (const look of [...looks]) {
    if (looks.has(look)) look(); // an earlier one may have stopped it
  }
  wait();
}

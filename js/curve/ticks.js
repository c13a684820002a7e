// Where a sampler's steps begin in progress, as far as it is known without the model.
// Pure: no DOM, no ComfyUI.
//
// Progress is the inverse of the model's percent_to_sigma. For schedulers that are even in timesteps it does not depend on
// the sigmas: SD1.5, SDXL, SD3 and Flux agree within a hundredth. For the others (karras, exponential, beta ...) it does.

/**
 * @typedef {{steps: number, scheduler: string, sampler: string, denoise: number, start: number, end: number}} Settings
 */

const TIMESTEPS = 1000; // of the models' training

const evenly = (/** @type {number} */ count, /** @type {number} */ of) => Array.from({ length: count }, (_, index) => index / of);

/** The first sigma at 1 of TIMESTEPS, then every so many: rarely as many steps as requested. @param {number} count */
function ddimUniform(count) {
  const stride = Math.max(Math.floor(TIMESTEPS / count), 1);
  const steps = Math.ceil((TIMESTEPS - 1) / stride);
  return Array.from({ length: steps }, (_, index) => 1 - (1 + stride * (steps - 1 - index)) / (TIMESTEPS - 1));
}

/** @type {Record<string, (count: number) => number[]>} the progress at the beginning of each step */
const SCHEDULERS = {
  normal: (count) => evenly(count, Math.max(count - 1, 1)),
  simple: (count) => evenly(count, count),
  sgm_uniform: (count) => evenly(count, count),
  ddim_uniform: ddimUniform,
};
/** ComfyUI gives these samplers one more step and drops the second-to-last sigma. */
const DISCARD_PENULTIMATE = ["dpm_2", "dpm_2_ancestral", "uni_pc", "uni_pc_bh2"];

/**
 * The progress at the beginning of each step; null if it is unknown.
 * @param {Settings} settings
 * @returns {number[] | null}
 */
export function ticksOf({ steps, scheduler, sampler, denoise, start, end }) {
  if (!Object.hasOwn(SCHEDULERS, scheduler) || !(steps >= 1)) return null;
  if (denoise <= 0) return [];
  const all = starts(denoise > 0.9999 ? steps : Math.floor(steps / denoise), scheduler, sampler);
  return (denoise > 0.9999 ? all : all.slice(-steps)).slice(start, end);
}

/**
 * @param {number} count
 * @param {string} scheduler
 * @param {string} sampler
 */
function starts(count, scheduler, sampler) {
  const drops = DISCARD_PENULTIMATE.includes(sampler);
  const all = SCHEDULERS[scheduler](drops ? count + 1 : count);
  return drops ? all.slice(0, -1) : all;
}

"""The baseline to compare with: one model whose weights are interpolated between the reference's and the aligned model's.

Wortsman et al., Model soups (arXiv 2203.05482); what ModelMergeSimple and a LoRA's strength slider do.
"""

from __future__ import annotations

from comfy.model_patcher import ModelPatcher


def interpolated(reference: ModelPatcher, aligned: ModelPatcher, weight: float) -> ModelPatcher:
    """A clone of `reference` with weights (1 - weight) W_reference + weight W_aligned, patches of both included.

    Where both share one module, only the weights that their patches change are touched.
    """
    model = reference.clone()
    theirs = aligned.get_key_patches("diffusion_model.")
    if reference.is_clone(aligned):
        theirs = {key: theirs[key] for key in theirs if aligned.patches.get(key) != reference.patches.get(key)}
    for key, value in theirs.items():
        model.add_patches({key: value}, weight, 1.0 - weight)
    return model

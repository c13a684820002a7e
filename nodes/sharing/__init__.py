"""Several models over one copy of the weights: LoRA in the forward pass, and module trees that share their layers."""

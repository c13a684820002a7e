"""The method: closed form, strength, and nothing of ComfyUI.
May import torch and the standard library only."""

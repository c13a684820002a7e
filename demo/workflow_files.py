"""The public model files that the shipped workflows load.
Standard library only."""

from __future__ import annotations

from dataclasses import dataclass

HUB = "https://huggingface.co"


@dataclass(frozen=True)
class File:
    """A public model file: the name it is saved under, where it comes from, and the folder below models/ it belongs in."""

    name: str
    url: str
    directory: str

    @property
    def line(self) -> str:
        """What to download and where to put it: also under which name, where the download has another one."""
        downloaded = self.url.rpartition("/")[2]
        renamed = f"renamed to **{self.name}**, " if downloaded != self.name else ""
        return f"- [{downloaded}]({self.url}), {renamed}in *models/{self.directory}*"


SD15 = File(
    "v1-5-pruned-emaonly-fp16.safetensors",
    f"{HUB}/Comfy-Org/stable-diffusion-v1-5-archive/resolve/main/v1-5-pruned-emaonly-fp16.safetensors",
    "checkpoints",
)
SDXL = File(
    "sd_xl_base_1.0.safetensors",
    f"{HUB}/stabilityai/stable-diffusion-xl-base-1.0/resolve/main/sd_xl_base_1.0.safetensors",
    "checkpoints",
)
SD15_UNET = File(
    "sd1.5-unet-fp16.safetensors",
    f"{HUB}/stable-diffusion-v1-5/stable-diffusion-v1-5/resolve/main/unet/diffusion_pytorch_model.fp16.safetensors",
    "diffusion_models",
)
DPO = File(
    "dpo-sd1.5-text2image-v1.safetensors",
    f"{HUB}/mhdang/dpo-sd1.5-text2image-v1/resolve/main/unet/diffusion_pytorch_model.safetensors",
    "diffusion_models",
)
DPO_LORA = File(
    "pytorch_lora_weights-sdxl-comfyui.safetensors",
    f"{HUB}/radames/sdxl-DPO-LoRA/resolve/main/pytorch_lora_weights-sdxl-comfyui.safetensors",
    "loras",
)
SPO_LORA = File(
    "spo-sd-v1-5_4k-p_10ep_lora_webui.safetensors",
    f"{HUB}/SPO-Diffusion-Models/SPO-SD-v1-5_4k-p_10ep_LoRA/resolve/main/spo-sd-v1-5_4k-p_10ep_lora_webui.safetensors",
    "loras",
)
DPO_LORA_SD15 = File(
    "sd_v15_dpo_lora_v1.safetensors",
    f"{HUB}/benjamin-paine/sd-dpo-offsets/resolve/main/sd_v15_dpo_lora_v1.safetensors",
    "loras",
)
CLIP_L = File(
    "clip_l.safetensors",
    f"{HUB}/comfyanonymous/flux_text_encoders/resolve/main/clip_l.safetensors",
    "text_encoders",
)
VAE = File(
    "vae-ft-mse-840000-ema-pruned.safetensors",
    f"{HUB}/stabilityai/sd-vae-ft-mse-original/resolve/main/vae-ft-mse-840000-ema-pruned.safetensors",
    "vae",
)
FILES = (SD15, SDXL, SD15_UNET, DPO, DPO_LORA, DPO_LORA_SD15, SPO_LORA, CLIP_L, VAE)

_PICKSCORE, _PROCESSOR = f"{HUB}/yuvalkirstain/PickScore_v1", f"{HUB}/laion/CLIP-ViT-H-14-laion2B-s32B-b79K"
PICKSCORE = (
    "PickScore is a folder, *models/deradiff_scorers/PickScore_v1*. Download into it\n\n"
    f"- [config.json]({_PICKSCORE}/resolve/main/config.json) and "
    f"[model.safetensors]({_PICKSCORE}/resolve/main/model.safetensors) (3.9 GB)\n"
    f"- [preprocessor_config.json]({_PROCESSOR}/resolve/main/preprocessor_config.json) and "
    f"[tokenizer.json]({_PROCESSOR}/resolve/main/tokenizer.json)\n\n"
    "Without it, choose a built-in measure in *Load Scorer*."
)

_VQASCORE = f"{HUB}/Qwen/Qwen3-VL-2B-Instruct"
VQASCORE = (
    "The held-out judge is a vision-language model, *models/deradiff_scorers/Qwen3-VL-2B-Instruct*. Download into it every file of\n\n"
    f"- [Qwen3-VL-2B-Instruct]({_VQASCORE}/tree/main) (4.3 GB)\n\n"
    "Without it, choose a built-in measure in *Load Scorer*, or leave **held_out** unconnected."
)

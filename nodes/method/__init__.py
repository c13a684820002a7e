"""The mathematics: closed form, strength, schedules. Independent of ComfyUI."""

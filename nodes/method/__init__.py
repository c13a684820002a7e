"""The mathematics: closed form, strength, schedules, and nothing of ComfyUI."""

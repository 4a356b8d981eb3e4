"""Checkpoints: folders of safetensors and JSON, written atomically and verified when read."""

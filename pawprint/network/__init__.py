"""Backbones, their blocks and cut; heads, solved or trained by Keras; fine-tuning."""

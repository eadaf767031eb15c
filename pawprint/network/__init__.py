"""Backbones, their blocks and cut; heads, fitted or trained with Keras; fine-tuning."""

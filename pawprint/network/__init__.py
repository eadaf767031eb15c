"""Neural networks: backbones and their blocks, heads, and fine-tuning."""

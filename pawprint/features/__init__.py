"""Stored features: outputs of the frozen layers, each of which is computed only once."""

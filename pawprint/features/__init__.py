"""Stored features: the outputs of the frozen layers, each computed once."""

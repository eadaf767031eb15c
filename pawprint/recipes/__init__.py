"""Recipes with the params of published notebooks and tutorials, and that of `make demo`."""

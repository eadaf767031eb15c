"""Recipes with the params of published notebooks and tutorials, and the offline demo."""

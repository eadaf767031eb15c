"""Figures, model card and HTML report."""

"""Params, paths, files and errors."""

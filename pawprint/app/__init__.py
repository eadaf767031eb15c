"""The web app of `pawprint app`: label photos, run a project, and try its model."""

from pathlib import Path

HERE = Path()  # the app runs in the project's folder

"""The web app of `pawprint app`, with the photos, labels, runs and results of a project."""

from pathlib import Path

HERE = Path()  # the app runs in the project's folder

"""The web app of `pawprint app`, with the photos, labels, runs and results of a project."""

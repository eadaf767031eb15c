"""The web app `pawprint app`: photos, labels, runs and results of a project."""

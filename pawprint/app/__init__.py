"""The web app: `pawprint app`. Photos, labels, runs and results of a project."""

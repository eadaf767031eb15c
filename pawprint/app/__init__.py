"""The web app: `make app`. Photos, labels, runs and results of a project."""

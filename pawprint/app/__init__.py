"""The web app: `make app`. It shows results, and what to run if a file is missing."""

"""The web app: `make app`. It shows a project's results, and what to run where a file is missing."""

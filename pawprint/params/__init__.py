"""The schema of `params.yaml`, a module per section, so that a stage depends on its own only."""

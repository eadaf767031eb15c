"""The schema of `params.yaml`, in one module for each group of sections."""

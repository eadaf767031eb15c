"""The schema of `params.yaml`, in modules of sections that change together."""

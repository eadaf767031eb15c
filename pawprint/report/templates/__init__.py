"""Templates of the model card and the report: a package, so that only `plot` follows them."""

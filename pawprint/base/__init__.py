"""What every room shares: files, tables, errors, paths, classes, draws, YAML, Git."""

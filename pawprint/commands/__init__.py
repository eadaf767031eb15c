"""The commands of `pawprint`: a module each."""

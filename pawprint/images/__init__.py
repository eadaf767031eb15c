"""Find image files, decode them, and turn them into pixels."""

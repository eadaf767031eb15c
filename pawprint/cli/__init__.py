"""Commands that have no module of their own yet."""

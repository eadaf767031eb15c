"""Look at what DVC holds: `make app`. Every page says what to run when a file is not here."""

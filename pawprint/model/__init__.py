"""The served model: what a run makes of a head, and its use on new photos."""

"""The served model: its metadata and its predictor."""

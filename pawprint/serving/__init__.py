"""The served model: its files, its metadata and its predictor."""

"""The served model: its files, predictions and exports."""

"""The served model: its files, calibration, predictions and exports."""

"""The model that is served: its files, calibration, predictions and exports."""

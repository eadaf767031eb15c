"""The served model: its files, its predictor, unknown inputs, labels of photos, saliency."""

"""The served model in use: predictions and saliency maps."""

"""Backbone, head, cut and training, in Keras."""

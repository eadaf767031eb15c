"""Backbones, head, cut, training and exports, in Keras; the solved head."""

"""Grad-CAM: the regions of an image that drive its prediction."""

import cv2
import numpy as np

from pawprint.network.backend import keras, tf
from pawprint.network.model import parts

OPACITY = 0.5  # of the heat over the image


def grad_cam(model: keras.Model, pixels: np.ndarray, label: int) -> np.ndarray:
    """float32 `(size, size)` in [0, 1]: each region's evidence for the class of this index.

    `pixels` is uint8 `(size, size, 3)`. The last feature maps of the backbone are weighted by the
    mean gradient of the class's logit with respect to each: Selvaraju et al., Grad-CAM, 2017
    (https://arxiv.org/abs/1610.02391). All zeros means that no region is evidence.
    """
    rescaling, backbone, pooling, head = parts(model)
    *hidden, last = head.layers
    maps = backbone(rescaling(tf.cast(pixels[None], tf.float32)), training=False)
    with tf.GradientTape() as tape:
        tape.watch(maps)
        features = pooling(maps)
        for layer in hidden:
            features = layer(features, training=False)
        logits = tf.matmul(features, last.kernel) + last.bias
        if last.units == 1:  # of the second of two classes
            logits = tf.concat([-logits, logits], axis=1)
        logit = logits[:, label]
    gradient = tape.gradient(logit, maps)
    weights = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
    heat = tf.nn.relu(tf.reduce_sum(weights * maps, axis=-1))[0].numpy()
    heat = cv2.resize(heat, pixels.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return heat / heat.max() if heat.any() else heat


def overlay(pixels: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """uint8 `(size, size, 3)`: the image with the heat in colours over it, dark to bright."""
    colours = cv2.applyColorMap((heat * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    return cv2.addWeighted(pixels, 1 - OPACITY, np.ascontiguousarray(colours), OPACITY, 0)

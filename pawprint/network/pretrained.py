"""Where Keras publishes the weights of MobileNetV2, and the image sizes it trained them for.

https://github.com/keras-team/keras/blob/master/keras/src/applications/mobilenet_v2.py
"""

PUBLISHED = (
    "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/"
    "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha}_{size}_no_top.h5"
)
SIZES = (96, 128, 160, 192, 224)


def published_url(alpha: float, image_size: int) -> str:
    """The file for this width and image size; a size without one takes 224's, as Keras does."""
    size = image_size if image_size in SIZES and alpha <= 1 else 224
    return PUBLISHED.format(alpha=float(alpha), size=size)

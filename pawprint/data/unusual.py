"""Find images that stand out, for example because they are dark, blurred or plain.

Such images are not rejected, but listed for someone to look at.
"""

import numpy as np
import pandas as pd

# Robust z-scores above 3.5 indicate potential outliers (Iglewicz and Hoaglin, How to Detect and
# Handle Outliers, 1993). Half of a normal distribution lies within 0.6745 standard deviations.
MIN_SCORE = 3.5
QUARTILE = 0.6745
LOOKS = {  # how an image looks, keyed by the measure and the direction in which it stands out
    ("brightness", -1): "dark",
    ("brightness", 1): "bright",
    ("contrast", -1): "pale",
    ("sharpness", -1): "blurred",
    ("entropy", -1): "plain",
}
MIN_BRIGHTNESS = 16  # of 255; a set whose median image is darker uses a small part of the range


def find_unusual(images: pd.DataFrame) -> pd.DataFrame:
    """Return the images that stand out, most unusual first: `path`, `looks` and `score`.

    `images` is an IMAGES table. The score is the robust z-score for a measure: the distance from
    the median, in units of a deviation estimated from the median of all distances. Each image is
    listed once, with its highest score. Brightness is compared on the logit scale, and contrast and
    sharpness on a logarithmic scale, because a few images have values many times as large as most
    others.
    """
    light = images["brightness"].clip(0.5, 254.5)
    measures = pd.DataFrame(
        {
            "brightness": np.log(light / (255 - light)),
            "contrast": np.log(images["contrast"] + 1),
            "sharpness": np.log(images["sharpness"] + 1),
            "entropy": images["entropy"].astype(float),
        }
    )
    distances = measures - measures.median()
    spread = distances.abs().median() / QUARTILE
    scores = (distances / spread.where(spread > 0)).fillna(0)
    table = pd.DataFrame(
        {looks: direction * scores[name] for (name, direction), looks in LOOKS.items()}
    )
    found = pd.DataFrame(
        {"path": images["path"], "looks": table.idxmax(axis=1), "score": table.max(axis=1)}
    )
    found = found[found["score"] > MIN_SCORE]
    return found.sort_values("score", ascending=False, kind="stable").reset_index(drop=True)


def describe_unusual(found: pd.DataFrame) -> str:
    """Return text such as "3 images stand out: 2 blurred, 1 dark; see …", or "" if none do."""
    if found.empty:
        return ""
    counts = ", ".join(
        f"{number:,} {looks}" for looks, number in found["looks"].value_counts().items()
    )
    images = "1 image stands" if len(found) == 1 else f"{len(found):,} images stand"
    return f"{images} out: {counts}; see plots/report.html"


def describe_dark(images: pd.DataFrame) -> str:
    """Return a line if most images are nearly black, so that none stands out, or ""."""
    brightness = images["brightness"].median()
    if not brightness < MIN_BRIGHTNESS:  # without images, it is NaN
        return ""
    return (
        f"most images are nearly black: their median brightness is {brightness:.0f} of 255; export "
        "them with values from 0 to 255"
    )


MAX_LEFT_OUT = 0.25  # the loss for a 4:3 image; above this, a line is printed


def left_out(widths: np.ndarray, heights: np.ndarray) -> float:
    """Return the fraction of the median image that lies outside its central square, in [0, 1).

    `widths` and `heights` are in pixels and have the shape `(images,)`.
    """
    return float(np.median(1 - np.minimum(widths, heights) / np.maximum(widths, heights)))

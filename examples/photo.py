"""The rules of model.json for images and answers, which the scripts with_*.py import."""

import hashlib
import io
import json
import sys
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps

SPACES = {"L": "GRAY", "RGB": "RGB ", "CMYK": "CMYK"}  # profile colour spaces by mode
BILINEAR = Image.Resampling.BILINEAR


def read_model(folder):
    """Return the content of model.json, which lists the SHA-256 of the files beside it."""
    model = json.loads(Path(folder, "model.json").read_text(encoding="utf-8"))
    if "files" not in model:
        sys.exit("model.json: expected a model of Pawprint 0.6 or later, which lists its files")
    for name, sha256 in model["files"].items():
        if hashlib.sha256(Path(folder, name).read_bytes()).hexdigest() != sha256:
            sys.exit(f"{folder}/{name}: damaged, as its SHA-256 differs: copy the model again")
    return model


def pixels(photo, model):
    """Return uint8 (1, size, size, 3), as model.json describes."""
    file, size = Image.open(photo), model["image_size"]
    if side := model.get("decoded_side"):
        file.draft(None, (side, side))
    has_deep_colours = ";16" in str(file.tile) and not file.mode.startswith("I;16")
    image = ImageOps.exif_transpose(file)
    profile = file.info.get("icc_profile")
    if image.mode.startswith("I;16") or (file.format, image.mode) == ("PPM", "I"):
        image, profile = grey(image, file, model.get("bits")), None
    elif image.mode in ("I", "F"):
        sys.exit(f"{photo}: unsupported: 32 bits per channel, of unknown range")
    elif has_deep_colours and model.get("bits"):
        sys.exit(f"{photo}: unsupported: colours above 8 bits, which clean.bits scales")
    if image.has_transparency_data:
        image = on_white(image.convert("RGBA"), file.format)
    image = in_srgb(image, profile)
    return np.asarray(resized(image, size, model["resize"]))[None]


def on_white(image, form):
    """Draw an RGBA image on white, unless its alpha means nothing or hides the whole picture."""
    *colours, (_, most_opaque) = image.getextrema()
    is_mistake = most_opaque == 0 and any(low < high for low, high in colours)
    if form == "BMP" or (is_mistake and form != "WEBP"):
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)


def in_srgb(image, profile):
    """Return the image in RGB, converted from its colour profile unless that is close to sRGB."""
    image = image if image.mode in ("L", "CMYK") else image.convert("RGB")
    try:
        source = ImageCms.getOpenProfile(io.BytesIO(profile))
        if SPACES[image.mode] != source.profile.xcolor_space:
            return image.convert("RGB")
        convert = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), image.mode, "RGB")
    except (TypeError, OSError, ImageCms.PyCMSError):  # there is no profile, or it is damaged
        return image.convert("RGB")
    if image.mode != "CMYK":
        values = (
            range(256) if image.mode == "L" else product(np.linspace(0, 255, 9).round(), repeat=3)
        )
        samples = Image.fromarray(np.array([list(values)], np.uint8))
        colours = ImageCms.applyTransform(samples, convert), samples.convert("RGB")
        if np.abs(np.subtract(*(np.asarray(colour, int) for colour in colours))).max() <= 10:
            return image.convert("RGB")
    return ImageCms.applyTransform(image, convert)


def grey(image, file, bits):
    """Convert a grey image above 8 bits to 8 bits; `bits` comes from model.json."""
    if file.format not in ("PNG", "TIFF"):
        sys.exit(f"{file.filename}: unsupported: grey of more than 8 bits in {file.format}")
    tags, values = getattr(file, "tag_v2", {}), np.asarray(image).astype(np.uint32)
    top = 2 ** (bits or tags.get(258, (16,))[0]) - 1  # BitsPerSample
    scaled = (np.minimum(values, top) * 255 + top // 2) // top
    if tags.get(262) == 0:  # with this PhotometricInterpretation, 0 is white
        scaled = 255 - scaled
    scaled[values == file.info.get("transparency", -1)] = 255
    return Image.fromarray(scaled.astype(np.uint8))


def resized(image, size, how):
    if how == "crop":
        return ImageOps.fit(image, (size, size), BILINEAR)
    if how == "stretch":
        return image.resize((size, size), BILINEAR)
    inner = [max(1, round(size * side / max(image.size))) for side in image.size]
    square = Image.new("RGB", (size, size), (114, 114, 114))
    square.paste(image.resize(inner, BILINEAR), [(size - side) // 2 for side in inner])
    return square


def answer(outputs, model):
    """Return the label, which may be "unsure" or "unknown", and the probability of each label."""
    labels, (values,) = model["labels"], np.asarray(outputs["probability"], float)
    if model.get("exclusive", True):
        values = np.hstack([1 - values, values]) if len(values) == 1 else values / values.sum()
        predicted = one_label(values, model)
    else:
        predicted = cell(values, model)
    limit = model["unknown_threshold"]
    if limit is not None and outputs["unknown_score"][0, 0] > limit:
        predicted = "unknown"
    return predicted, {label: round(float(value), 4) for label, value in zip(labels, values)}


def cell(values, model):
    """Return the labels of a photo that can show several, such as "sea|sunset", or "none"."""
    pairs = [*zip(model["labels"], values)]
    own = model["thresholds"]
    named = {label for label, value in pairs if value >= own.get(label, 0.5)}
    has_any = any(value >= max(own.get(label, 0.5), 0.5) for label, value in pairs)
    label, value = max(pairs, key=lambda pair: pair[1])
    if model["at_least_one"] and not has_any and value >= own.get(label, 0):
        named.add(label)
    return "|".join(sorted(named)) or "none"


def one_label(values, model):
    """Return the label of a photo that shows one of the classes, or "unsure"."""
    labels = model["labels"]
    named = model["thresholds"] or ({labels[1]: 0.5} if len(labels) == 2 else {})
    above = [label for label in named if values[labels.index(label)] >= named[label]]
    others = [index for index, label in enumerate(labels) if label not in named]
    predicted = above[0] if above else labels[max(others, key=lambda index: values[index])]
    is_sure = values[labels.index(predicted)] >= (model.get("min_confidence") or 0)
    return predicted if is_sure else "unsure"

"""Write the model as a single HTML page, which a browser opens without a server or a network.

The page consists of the template page.html and four parts: the content of model.json, ONNX Runtime
Web's script and WebAssembly, and the network as ONNX.
"""

import base64
import gzip
import html
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pawprint.artifacts import Run, project_name
from pawprint.base.columns import SCORES
from pawprint.base.download import download
from pawprint.base.package import PACKAGE
from pawprint.base.paths import SCORES_CSV
from pawprint.base.tables import read_table
from pawprint.pipeline.params.model import IMAGENET, PACKAGES, Params
from pawprint.report.pages import describe_score
from pawprint.scores.intervals import CONFIDENCE
from pawprint.scores.metrics import CATALOGUE, headline_of, score_of

# The template is in another folder, because a stage's fingerprint includes all files next to the
# modules that the stage imports.
TEMPLATE = PACKAGE / "commands/templates/page.html"
PAGE_FILE = "model.html"
RULES = {"labels", "image_size", "resize", "bits", "decoded_side", "unknown_threshold"}
RULES |= {"min_confidence", "model"}
VERSION = "1.30.0"  # ONNX Runtime Web's version
ADDRESS = f"https://cdn.jsdelivr.net/npm/onnxruntime-web@{VERSION}/dist"
# The runtime files and their SHA-256, keyed by the id of their part in the page.
RUNTIME = {
    "runtime": (
        "ort.wasm.bundle.min.mjs",
        "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    ),
    "wasm": (
        "ort-wasm-simd-threaded.wasm",
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
    ),
}
NETWORK = re.compile('<script type="text/plain" id="network">([^<]+)</script>')
# Arrays with less than this fraction of all values stay float32, such as the first convolutions.
# Small arrays add little to the file, and rounding them would change the outputs most.
SMALL = 0.015
SQUARES = {
    "crop": "from the central square",
    "pad": "with grey borders, so that the whole photo is used",
    "stretch": "without keeping the aspect ratio",
}


def fetch_runtime() -> dict[str, bytes]:
    """Return the runtime files, keyed by part id. Raises InputError if they cannot be fetched."""
    return {
        part: download(f"{ADDRESS}/{name}", sha256, "--format page").read_bytes()
        for part, (name, sha256) in RUNTIME.items()
    }


def facts_of(run: Run) -> dict[str, str]:
    """Return what a page says about its model: texts keyed by term."""
    metadata = run.metadata
    scores = read_table(run.folder / SCORES_CSV, SCORES)
    names = dict.fromkeys(("accuracy", headline_of(scores)))
    measured = [
        f"{CATALOGUE[name].title} {describe_score(score_of(scores, 'test', name))}"
        for name in names
    ]
    size = metadata.image_size
    facts = {
        "Classes": ", ".join(metadata.labels),
        "Test scores": f"{'; '.join(measured)}. Measured on photos that were not used for "
        f"training; the ranges are {CONFIDENCE:.0%} confidence intervals",
        "Commit": metadata.commit or "none",
        "Model": metadata.model or "none",
        "Photos": f"resized to {size} by {size} pixels, {SQUARES[metadata.resize]}",
    }
    if metadata.crop_rule:
        facts["Photos"] += f". They must be crops of boxes, cut by the rule {metadata.crop_rule}"
    if metadata.unknown_threshold is not None:
        facts["Unknown"] = (
            "label of photos unlike the training photos: unknown score above "
            f"{metadata.unknown_threshold:.4g}"
        )
    return facts


def page_of(network: bytes, run: Run, params: Params, runtime: Mapping[str, bytes]) -> str:
    """Return the page for a network: an ONNX file that turns `pixels` into an export's outputs."""
    metadata = run.metadata
    rules = metadata.model_dump(mode="json", include=RULES)
    # Objects in JavaScript reorder numeric keys.
    rules["thresholds"] = list(metadata.thresholds.items())
    parts = {
        "TITLE": html.escape(project_name(run.folder)),
        "CLASSES": html.escape(", ".join(metadata.labels)),
        "FACTS": "\n".join(
            f"    <dt>{html.escape(term)}</dt><dd>{html.escape(text)}</dd>"
            for term, text in facts_of(run).items()
        ),
        "WEIGHTS": html.escape(whose_weights(params)),
        "VERSION": VERSION,
        "MODEL": json.dumps(rules).replace("<", "\\u003c"),  # prevents "<" from ending the script
        "NETWORK": _packed(network),
    }
    parts |= {name.upper(): _packed(content) for name, content in runtime.items()}
    template = TEMPLATE.read_text(encoding="utf-8")
    return re.sub("@([A-Z]+)@", lambda marker: parts[marker[1]], template)


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()


def network_in(path: Path) -> bytes:
    """Return the ONNX file in a page."""
    (packed,) = NETWORK.findall(path.read_text(encoding="utf-8"))
    return gzip.decompress(base64.b64decode(packed))


def with_half_weights(network: bytes) -> bytes:
    """Return an ONNX file that stores large arrays as float16 but computes in float32.

    The arrays are converted back when the file is loaded. Arrays that contain a value that float16
    cannot represent are not converted.
    """
    import onnx  # installed with the `export` extra
    from onnx import numpy_helper

    model = onnx.load_from_string(network)
    graph = model.graph
    arrays = [each for each in graph.initializer if each.data_type == onnx.TensorProto.FLOAT]
    small = SMALL * sum(math.prod(tensor.dims) for tensor in arrays)
    casts = []
    for tensor in arrays:
        values = numpy_helper.to_array(tensor)
        if values.size < small or not np.abs(values).max(initial=0) <= np.finfo(np.float16).max:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}/float16"))
        casts.append(
            onnx.helper.make_node("Cast", [tensor.name], [name], to=onnx.TensorProto.FLOAT)
        )
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return model.SerializeToString()


def whose_weights(params: Params) -> str:
    """Return a sentence about the origin and licence of a backbone's initial weights."""
    name = params.model.backbone
    source = params.weights.source
    if source == "none":
        return "Training started from random weights."
    if source != IMAGENET:
        return (
            f"Training started from the weights in {Path(source).name}, which are subject "
            "to their publisher's licence."
        )
    if name in PACKAGES:
        return (
            f"Training started from Google's weights for {name}: Apache License 2.0, "
            "https://www.apache.org/licenses/LICENSE-2.0"
        )
    return (
        f"Training started from the weights for {name} that Keras publishes. Their licence: "
        "https://keras.io/api/applications/"
    )

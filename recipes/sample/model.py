"""Make the model in Git: `python -m recipes.sample.model` trains the demo's and halves its size.

It writes recipes/sample/model/, a served model with weights in float16, and
recipes/sample/pictures/, a drawn cat and dog that the demo does not use. On the same machine it
writes the same bytes.
"""

import tempfile
from pathlib import Path

import openvino

from pawprint.core import model_paths
from pawprint.core.entry import run
from pawprint.core.files import replacing
from pawprint.runtime.conversion import read_network, write_network
from pawprint.serving.metadata import read_metadata, write_metadata
from recipes.sample import demo
from recipes.sample.drawings import ANIMALS, drawn_picture, encoded

MODEL = Path(__file__).with_name("model")
PICTURES = Path(__file__).with_name("pictures")
SEED, INDEX = 7, 201  # the demo draws up to number 200


def write_half(served: Path, folder: Path) -> None:
    """Write a served model with its weights in float16, which OpenVINO computes with in float32."""
    network = read_network(served / "model.xml")
    outputs = [output.get_any_name() for output in network.outputs]
    with replacing(folder) as partial, tempfile.TemporaryDirectory() as temporary:
        partial.mkdir()
        half = Path(temporary, "model.xml")
        openvino.save_model(network, half, compress_to_fp16=True)
        write_network(read_network(half), partial / "model.xml", outputs)
        write_metadata(partial, read_metadata(served))


def write_pictures(folder: Path) -> None:
    with replacing(folder) as partial:
        partial.mkdir()
        for animal in ANIMALS:
            picture = encoded(drawn_picture(SEED, animal, "validation", INDEX))
            (partial / f"{animal.removesuffix('s')}.jpg").write_bytes(picture)


def main() -> None:
    demo.train("calibrate")
    write_half(demo.WORKSPACE / model_paths.SERVED_MODEL, MODEL)
    write_pictures(PICTURES)


if __name__ == "__main__":
    run(main)

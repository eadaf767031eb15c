"""The model in Git: what it says about itself, and what it is good for."""

import numpy as np
from conftest import PROJECT, run

from pawprint.core.params.whole import load_params
from pawprint.images.decoder import decode
from pawprint.runtime.compiled import compile_for_cpu
from pawprint.runtime.conversion import read_network
from pawprint.serving.metadata import read_metadata
from pawprint.serving.predictor import load_predictor
from recipes.overlay import apply
from recipes.sample.drawings import ANIMALS, drawn_picture
from recipes.sample.model import MODEL, PICTURES, SEED, write_half


def test_metadata_are_those_of_the_demo(tmp_path):
    params = apply((PROJECT / "params.yaml").read_text(encoding="utf-8"), "sample")
    (tmp_path / "params.yaml").write_text(params, encoding="utf-8")
    model = load_params(tmp_path / "params.yaml").model
    described = read_metadata(MODEL)
    assert described.labels == sorted(animal.removesuffix("s") for animal in ANIMALS)
    assert (described.image_size, described.resize) == (model.image_size, model.resize)


def test_drawn_animals_are_told_apart():
    predictor = load_predictor(MODEL)
    right = [
        predictor.predict(drawn_picture(SEED, animal, "validation", index)).label
        == animal.removesuffix("s")
        for animal in ANIMALS
        for index in range(202, 252)  # the demo does not use them
    ]
    assert np.mean(right) >= 0.9
    for path in PICTURES.iterdir():
        assert predictor.predict(decode(path.read_bytes())).label == path.stem


def test_half_is_the_same_bytes_in_each_process_and_nearly_the_same_model(tmp_path):
    code = "import sys; from pathlib import Path; from recipes.sample.model import write_half; "
    code += "write_half(*map(Path, sys.argv[1:]))"
    result = run("python", "-c", code, str(MODEL), str(tmp_path / "other"), cwd=PROJECT)
    assert result.returncode == 0, result.stderr
    write_half(MODEL, tmp_path / "half")
    half, other = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("half", "other")
    )
    assert half == other and len(half["model.bin"]) < 10**6
    image = np.asarray(drawn_picture(SEED, "cats", "validation", 1).resize((96, 96)))
    first, second = (
        compile_for_cpu(read_network(folder / "model.xml"))(image)
        for folder in (MODEL, tmp_path / "half")
    )
    assert np.allclose(first, second, atol=1e-3)

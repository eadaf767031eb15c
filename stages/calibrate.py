"""Fit the temperature and choose the threshold on validation; write the served model.

Reads data/raw/archives/, data/split/images.csv and models/network/. Params: `calibrate`,
`model.resize`. Writes models/served/. Run: `python -m stages.calibrate`
"""

import pandas as pd

from pawprint.core import paths
from pawprint.core.errors import InputError
from pawprint.core.params import load_params, problem_of_threshold
from pawprint.core.tables import SPLIT, read_table
from pawprint.evaluation.temperature import fit_temperature, probabilities_of
from pawprint.evaluation.threshold import choose_threshold
from pawprint.images.archive import open_archive
from pawprint.images.resizing import resize
from pawprint.runtime.compiled import compile_for_cpu
from pawprint.runtime.conversion import read_network
from pawprint.serving.metadata import Metadata
from pawprint.serving.predictor import predict_members
from pawprint.serving.served_model import write_served_model


def main() -> None:
    params = load_params()
    split = read_table(paths.SPLIT_IMAGES, SPLIT)
    labels = sorted(split["label"].unique())  # alphabetical, as in training
    if problem := problem_of_threshold(params.calibrate, len(labels)):
        raise InputError(f"params.yaml: {problem}")
    validation = split[split["split"] == "validation"]
    network = read_network(paths.NETWORK)
    size = network.input().partial_shape[1].get_length()
    run = compile_for_cpu(network)
    with open_archive(paths.RAW_ARCHIVES) as archive:
        logits = predict_members(
            lambda image: run(resize(image, size, params.model.resize))[0],
            archive,
            validation["path"],
            "calibrate",
        )
    actual = pd.Index(labels).get_indexer(validation["label"])
    temperature = fit_temperature(actual, logits) if params.calibrate.temperature else 1.0
    threshold = params.calibrate.threshold
    if threshold is None and len(labels) == 2:
        _, second = probabilities_of(logits, temperature).T
        threshold = choose_threshold(actual, second, params.calibrate.recall)
    metadata = Metadata(
        labels=labels,
        image_size=size,
        resize=params.model.resize,
        temperature=temperature,
        threshold=threshold,
    )
    write_served_model(network, metadata, paths.SERVED_MODEL)
    predicted = f"; {labels[1]} from a probability of {threshold:.3f}" if threshold else ""
    print(f"calibrate: temperature {temperature:.3f}{predicted}")


if __name__ == "__main__":
    main()

"""Fit the temperature and choose the threshold on validation; write the served model.

Reads data/raw/archives/, data/split/images.csv and models/network/. Params: `calibrate`,
`model.resize`. Writes models/served/ and metrics/calibrate.json. Run: `python -m stages.calibrate`
"""

from scipy.special import expit

from pawprint.core import paths
from pawprint.core.files import write_json
from pawprint.core.params import load_params
from pawprint.core.tables import SPLIT, read_table
from pawprint.evaluation.calibration import expected_calibration_error
from pawprint.evaluation.temperature import cross_fit, fit_temperature
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
    labels = sorted(split["label"].unique())  # alphabetical, as in data/features/
    validation = split[split["split"] == "validation"]
    network = read_network(paths.NETWORK)
    size = network.input().partial_shape[1].get_length()
    run = compile_for_cpu(network)
    with open_archive(paths.RAW_IMAGES) as archive:
        logits = predict_members(
            lambda image: run(resize(image, size, params.model.resize))[0],
            archive,
            validation["path"],
            "calibrate",
        )[:, 0]
    actual = (validation["label"] == labels[1]).to_numpy(int)
    temperature, cross_fitted = 1.0, expit(logits)
    if params.calibrate.temperature:
        temperature, cross_fitted = fit_temperature(actual, logits), cross_fit(actual, logits)
    threshold = params.calibrate.threshold
    if threshold is None:
        threshold = choose_threshold(actual, expit(logits / temperature), params.calibrate.recall)
    metadata = Metadata(
        labels=labels,
        image_size=size,
        resize=params.model.resize,
        temperature=temperature,
        threshold=threshold,
    )
    write_served_model(network, metadata, paths.SERVED_MODEL)
    metrics = {
        "temperature": temperature,
        "threshold": threshold,
        # Of images that the temperature was not fitted on; evaluate's is of images that it was.
        "cross_fitted_calibration_error": expected_calibration_error(actual, cross_fitted),
    }
    write_json(paths.CALIBRATE_METRICS, metrics)
    print(
        f"calibrate: temperature {temperature:.3f}; "
        f"{labels[1]} from a probability of {threshold:.3f}"
    )


if __name__ == "__main__":
    main()

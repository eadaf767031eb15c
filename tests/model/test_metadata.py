import json

import numpy as np
import pytest
from conftest import refused
from networks import metadata, write_colour_model

from pawprint.base.package import EXAMPLE_MODEL
from pawprint.model.metadata import METADATA_FILE, LabelMetadata, read_metadata, write_metadata
from pawprint.model.served_model import NETWORK_FILE, identity_of


@pytest.fixture
def written(tmp_path):
    """Return the record that `write_metadata` writes to a model.json."""
    write_metadata(tmp_path, metadata(temperature=1.5, thresholds={"dog": 0.3}, resize="stretch"))
    return json.loads((tmp_path / METADATA_FILE).read_text(encoding="utf-8"))


NAN, INF = float("nan"), float("inf")
OUTSIDE = {
    "labels": [["cat"], ["cat", "dog", "cat"], ["cat", "\x1b[31m"]],
    "image_size": [31, 10**400],
    "resize": ["bend"],
    "layout": ["NCHW, RGB"],
    "temperature": [0, INF],
    "thresholds": [{"dog": 1}, {"ant": 0.5}, {"cat": 0.5, "dog": 0.5}],
    "unknown_threshold": [-0.1, NAN],
    "min_confidence": [-0.1, 1],
    "extra": [1],
}


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in OUTSIDE.items() for value in values]
)
def test_values_outside_the_bounds_are_refused_by_name(written, tmp_path, key, value):
    (tmp_path / METADATA_FILE).write_text(json.dumps(written | {key: value}))
    line = f"{METADATA_FILE}: expected the metadata of a served model. Received: {key}"
    with refused(line) as error:
        read_metadata(tmp_path)
    assert len(str(error.value)) < 500


def test_identity_is_of_what_a_served_model_computes(tmp_path):
    def identity(**changes) -> str:
        return read_metadata(write_colour_model(tmp_path / "model", **changes)).model

    same = [{}, {"commit": "a1"}, {"data_md5": "0"}, {"versions": {"keras": "1"}}]
    assert {identity(**case) for case in same} == {identity(model="0123456789abcdef")}
    other = [
        {"bias": 1},
        {"resize": "pad"},
        {"thresholds": {"cat": 0.4}},
        {"unknown_threshold": 0.3},
        {"min_confidence": 0.3},
    ]
    identities = [identity(**case) for case in ({}, *other, {"labels": ["ant", "bee"]})]
    assert len(set(identities)) == len(identities)


def test_identity_of_the_committed_model_is_what_it_was():
    """The identity is a hash of JSON written by Python, not by pydantic."""
    example = read_metadata(EXAMPLE_MODEL)
    assert identity_of(EXAMPLE_MODEL / NETWORK_FILE, example) == example.model


def test_missing_file_says_how_to_get_it(tmp_path):
    (tmp_path / "folder" / METADATA_FILE).mkdir(parents=True)
    (tmp_path / "file").touch()
    for name in ("missing", "folder", "file"):
        with refused(f"{tmp_path / name / METADATA_FILE}: no such file. Run `dvc repro`"):
            read_metadata(tmp_path / name)


OF_LABELS = {"labels": ["sea", "sunset"], "image_size": 32, "resize": "crop", "temperature": 1}
SHOWN = np.array([[0.6, 0.5], [0.4, 0.3], [0.2, 0.9]])


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({"at_least_one": True}, ["sea|sunset", "sea", "sunset"]),
        ({"at_least_one": False}, ["sea|sunset", "none", "sunset"]),
        ({"at_least_one": False, "thresholds": {"sunset": 0.3, "sea": 0.7}}, ["sunset"] * 3),
    ],
)
def test_labels_that_do_not_exclude_each_other_are_named_by_their_own_limits(
    tmp_path, rules, expected
):
    write_metadata(tmp_path, LabelMetadata(**OF_LABELS, **rules, unknown_threshold=0.5))
    record = json.loads((tmp_path / METADATA_FILE).read_text(encoding="utf-8"))
    assert (record["format"], record["exclusive"]) == (3, False)
    model = read_metadata(tmp_path)
    assert model.answers(SHOWN, None).tolist() == expected
    assert model.answers(SHOWN, np.array([0, 0, 1])).tolist() == [*expected[:2], "unknown"]


def test_model_of_classes_has_the_format_and_keys_that_it_had(written):
    assert written["format"] == 2
    assert not {"exclusive", "at_least_one"} & written.keys()

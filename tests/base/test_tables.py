import pandas as pd
import pytest
from conftest import refused

from pawprint.base.columns import predicted_labels
from pawprint.base.tables import read_table, write_table
from pawprint.scores.prediction_table import (
    probabilities_in,
    read_probabilities,
    write_probabilities,
)

COLUMNS = {"path": "str", "images": "int64", "probability": "float64", "label": "str"}


def table(path: str = "a.jpg", images: int = 1, probability: float = 0.5) -> pd.DataFrame:
    row = {"path": path, "images": images, "probability": probability, "label": "cat"}
    return pd.DataFrame([row])


def test_table_is_read_as_written_with_the_dtypes_of_its_columns(tmp_path):
    rows = pd.concat([table('a "b", c\n.jpg'), table(" кот.jpg "), table("NA", 0, 1.0)])
    rows = pd.concat([rows, table("a\rb"), table("\r\nb\r")])
    for written in (rows, rows[:0]):
        write_table(tmp_path / "new" / "rows.csv", written, COLUMNS)
        found = read_table(tmp_path / "new" / "rows.csv", COLUMNS)
        assert found.to_dict("records") == written.to_dict("records")
        assert (
            found.dtypes.to_dict()
            == pd.DataFrame(columns=[*COLUMNS]).astype(COLUMNS).dtypes.to_dict()
        )


def test_columns_are_ordered_and_floats_have_six_significant_digits(tmp_path):
    rows = table(probability=1 / 3).assign(other=1)[["other", *reversed(COLUMNS)]]
    write_table(tmp_path / "rows.csv", pd.concat([rows, table(probability=1e-9 / 3)]), COLUMNS)
    assert (tmp_path / "rows.csv").read_bytes() == (
        b"path,images,probability,label\na.jpg,1,0.333333,cat\na.jpg,1,3.33333e-10,cat\n"
    )


@pytest.mark.parametrize(
    "lines",
    [
        b"",
        b"images,path,probability,label\n",
        b"path,images,probability,label\n\xff,1,0.5,cat\n",
        b"path,images,probability,label\na,1,half,cat\n",
        b"\x1b[31mpath,images\n",
    ],
)
def test_another_table_is_one_line_with_the_columns_expected(tmp_path, lines):
    (tmp_path / "rows.csv").write_bytes(lines)
    with refused("rows.csv: ", "path, images, probability, label") as error:
        read_table(tmp_path / "rows.csv", COLUMNS)
    assert str(error.value).isprintable()


def test_empty_cell_is_read_only_in_a_column_that_may_have_one(tmp_path):
    columns = {"score": "str", "low": "Float64", "images": "int64"}
    rows = pd.DataFrame({"score": ["NA", ""], "low": [1 / 3, None], "images": [1, 2]})
    write_table(tmp_path / "rows.csv", rows, columns)
    assert (tmp_path / "rows.csv").read_text() == "score,low,images\nNA,0.333333,1\n,,2\n"
    found = read_table(tmp_path / "rows.csv", columns)
    assert found["score"].tolist() == ["NA", ""]
    assert found["low"].isna().tolist() == [False, True]
    with refused("expected a table"):
        read_table(tmp_path / "rows.csv", columns | {"low": "float64"})


def test_predictions_have_the_labels_of_their_columns(tmp_path):
    rows = pd.DataFrame({"path": ["1.jpg"], "actual": ["b"], "predicted": ["b"], "other": [1]})
    rows["pixels_sha256"] = "a1"
    for label, probability in (("a, x", 0.1), ("b", 0.7), ("c", 0.2)):
        rows[f"probability_{label}"] = probability
    write_probabilities(tmp_path / "rows.csv", rows)
    found = read_probabilities(tmp_path / "rows.csv")
    assert predicted_labels(found) == ["a, x", "b", "c"]
    assert probabilities_in(found).tolist() == [[0.1, 0.7, 0.2]]
    assert "other" not in found

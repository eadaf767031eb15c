"""Tables with a row for each image and label."""

import numpy as np
import pandas as pd

from pawprint.scores.label_review import list_suspects, to_correct
from pawprint.scores.label_rows import join_labels, split_labels

LABELS = ["fog", "sea", "sunset"]


def judged(cells: list[str], probabilities: np.ndarray, labels: list[str]) -> pd.DataFrame:
    """Return judged images named 0, 1, …"""
    names = [str(number) for number in range(len(cells))]
    table = pd.DataFrame({"path": names, "label": cells, "pixels_sha256": names, "split": "train"})
    return table.assign(**{f"probability_{each}": p for each, p in zip(labels, probabilities.T)})


def test_rows_of_labels_become_the_images_again_without_what_is_not_known():
    cells = ["none", "sea", "fog|sea", "sunset", "none", "fog?|sea"]
    said = ["none", "none", "sea|sunset", "sunset", "fog", "fog?|sunset"]
    table = pd.DataFrame({"image": [*"abcdef"], "actual": cells, "predicted": said, "loss": 0.5})
    rows = split_labels(table.replace("fog?|sunset", "fog|sunset"))
    assert rows[["image", "actual", "predicted"]].values.tolist()[:4] == [
        ["a", "none", "none"],
        ["b", "sea", "not sea"],
        ["c", "fog", "not fog"],
        ["c", "sea", "sea"],
    ]
    assert set(rows.iloc[-3][["label", "actual", "predicted"]]) == {"fog?"}
    pd.testing.assert_frame_equal(join_labels(rows), table)
    assert split_labels(table[:0]).empty  # as of the errors of a perfect model


def test_labels_to_add_and_to_remove_take_turns_the_least_probable_first():
    of_each = np.array([[0.5, 0.05, 0.97], [0.5, 0.02, 0.99], [0.5, 0.4, 0.92], [0.5, 0.5, 0.6]])
    table = judged(["sea", "sea", "none", "sunset"], of_each, LABELS)
    found = list_suspects(table)
    columns = ["path", "label", "likely"]
    assert found[columns].values.tolist() == [
        ["1", "sea", "add sunset"],
        ["1", "sea", "remove sea"],
        ["0", "sea", "add sunset"],
        ["0", "sea", "remove sea"],
        ["2", "none", "add sunset"],
    ]
    assert found["probability"].round(6).tolist() == [0.01, 0.02, 0.03, 0.05, 0.08]
    assert [*found["cell"]] == ["sunset"] * 4 + ["sunset"]
    assert set(list_suspects(table, ["1"])["path"]) == {"0", "2"}
    # Of near-duplicates, the labels that differ come first.
    found = list_suspects(table, [], [("2", "3"), ("3", "2")])
    assert found[columns].values.tolist()[:2] == [
        ["2", "none", "add sunset"],
        ["3", "sunset", "remove sunset"],
    ]


def test_label_of_a_single_training_image_is_not_to_be_removed():
    table = judged(["rare|sea", "sea", "sea"], np.full((3, 2), 0.01), ["rare", "sea"])
    assert {*list_suspects(table)["likely"]} == {"remove sea"}
    assert "remove rare" in {*list_suspects(table.assign(split="test"))["likely"]}


def test_label_is_removed_only_if_the_model_changes_what_its_share_tells():
    probabilities = np.full((100, 2), [0.05, 0.9])
    probabilities[:2, 0] = 0.008, 0.005  # a factor of 2.5 and of 4
    cells = ["rare", "rare"] + 98 * ["sea"]  # in 2% of the images, and in 98%
    found = list_suspects(judged(cells, probabilities, ["rare", "sea"]))
    assert found[["path", "likely"]].to_numpy().tolist() == [["1", "remove rare"]]


def test_half_of_planted_labels_are_found_in_the_first_as_many_rows():
    """A tenth of the labels is missing, and a twentieth too many."""
    rng = np.random.default_rng(0)
    logits = rng.normal(-1.5, 4, (800, 5))
    probabilities = 1 / (1 + np.exp(-logits))
    true = rng.uniform(size=logits.shape) < probabilities
    given, kinds = true.copy(), {}
    for verb, where, fraction in ("add", true, 0.1), ("remove", ~true, 0.05):
        image, label = np.nonzero(where)
        number = round(fraction * true.sum())
        chosen = rng.choice(len(image), number, replace=False)
        given[image[chosen], label[chosen]] ^= True
        kinds[verb] = {*zip(image[chosen].astype(str), label[chosen])}
    labels = [*"abcde"]
    cells = ["|".join(np.array(labels)[row]) or "none" for row in given]
    found = list_suspects(judged(cells, probabilities, labels))
    for verb, planted in kinds.items():
        rows = found[found["likely"].str.startswith(verb)][: len(planted)]
        listed = {*zip(rows["path"], rows["likely"].str[-1].map(labels.index))}
        assert len(listed & planted) >= len(planted) / 2


def test_label_that_only_training_images_of_one_group_lack_is_not_to_be_added():
    table = judged(["sea"] * 3 + ["none"] * 3, np.full((6, 1), 0.99), ["sea"])
    assert list_suspects(table.assign(group=[*"abc"] + ["one"] * 3)).empty


def test_doubtful_training_images_and_any_others_are_asked():
    """Of 300 open labels of sea, 200 are of training; 100 are asked, and reviewed photos, too."""
    rng = np.random.default_rng(0)
    probabilities = np.column_stack([rng.uniform(size=400), np.full(400, 0.3)])
    table = judged(["none", *["fog|sea?"] * 99] * 4, probabilities, ["sea", "fog"])
    table["split"] = np.repeat(["train", "train", "validation", "test"], 100)
    rows = list_suspects(table, [*table["pixels_sha256"]], not_asked=["sea"])
    assert {*rows["likely"]} == {"ask sea"} and {*rows["label"]} == {"fog|sea?"}
    of_training = rows["split"] == "train"
    assert of_training.sum() == 50 and len(rows) == 100
    doubt = (rows["probability"] - 0.5).abs()
    assert doubt[of_training].max() < 0.15 and doubt[of_training].is_monotonic_increasing
    assert doubt[~of_training].max() > 0.45
    expected = np.where(rows["probability"] >= 0.5, "fog|sea", "fog|not sea")
    assert [*rows["cell"]] == [*expected]
    assert to_correct(rows).empty


def test_near_duplicate_of_which_a_label_is_not_known_contradicts_nothing():
    table = judged(["fog|sea?", "fog|sea"], np.full((2, 2), 0.5), ["fog", "sea"])
    assert [*list_suspects(table, [], [("0", "1"), ("1", "0")])["likely"]] == ["ask sea"]


def test_a_suggested_cell_leaves_open_what_its_row_is_not_about():
    of_each = np.array([[0.01, 0.45, 0.97], [0.9, 0.1, 0.1], [0.1, 0.1, 0.9], [0.5, 0.5, 0.5]])
    table = judged(["fog|sea?|new?", "fog", "new", "none"], of_each, ["fog", "sea", "new"])
    rows = list_suspects(table, not_asked=["new"])
    first = rows[rows["path"] == "0"].set_index("likely")["cell"].to_dict()
    assert first == {
        "remove fog": "new?|sea?",
        "ask sea": "new?",
        "ask new": "new|sea?",
    }

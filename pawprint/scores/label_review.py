"""Find labels that may be wrong, given a model's probabilities for images it has not seen."""

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from pawprint.base.columns import JUDGED_LABELS, PROBABILITY, predicted_labels
from pawprint.base.folds import hash_keys
from pawprint.base.labels import ONE_CLASS, SEVERAL_LABELS, LabelKind

# A label is listed if its probability is below the first number and another label's probability is
# above the second. Both are needed, because with many classes, all probabilities may be low.
# docs/decisions/13 lists this rule's precision and recall.
MAX_OF_LABEL = 0.1
MIN_OF_OTHER = 0.5
# A label that an image lacks is listed above this probability. It is further from 1 than
# MAX_OF_LABEL from 0, because missing labels lower all probabilities (docs/decisions/13).
MIN_OF_MISSING = 0.7
# The least factor between the odds of a label and those of its share of the images. A rare label
# mostly has a low probability.
MIN_OF_ODDS = 3
ASK = "ask "  # begins `likely` in a row about a label that is not known
ASKED = 100  # largest number of these rows


def judge(
    images: pd.DataFrame, probabilities: np.ndarray, labels: list[str], kind: LabelKind = ONE_CLASS
) -> pd.DataFrame:
    """Return the JUDGED table for images with the columns `path`, `label` and `pixels_sha256`.

    `probabilities` are `(images, labels)`, from a model that was not trained on these images.
    With several labels, the table has JUDGED_LABELS and the probability of each label.
    """
    if not kind.exclusive:
        of_labels = {PROBABILITY + label: column for label, column in zip(labels, probabilities.T)}
        return images[[*JUDGED_LABELS]].assign(**of_labels)
    rows = np.arange(len(images))
    actual = pd.Index(labels).get_indexer(images["label"])
    others = probabilities.copy()
    others[rows, actual] = 0
    return images[[*JUDGED_LABELS]].assign(
        likely=np.array(labels)[others.argmax(axis=1)],
        probability=probabilities[rows, actual],
        likely_probability=others.max(axis=1),
    )


def without_weights(judged: pd.DataFrame, images: Mapping[str, int]) -> pd.DataFrame:
    """Return a JUDGED table as if all training images, and not all classes, had weighed the same.

    `images` has the number of training images of each class. The odds of the label and of the
    likely class change. The other classes together count as one of average size, which is exact if
    there are none.
    """
    average = sum(images.values()) / len(images)
    label = judged["probability"] * judged["label"].map(images) / average
    likely = judged["likely_probability"] * judged["likely"].map(images) / average
    total = label + likely + (1 - judged["probability"] - judged["likely_probability"])
    return judged.assign(probability=label / total, likely_probability=likely / total)


def list_suspects(
    judged: pd.DataFrame,
    reviewed: Collection[str] = (),
    contradictions: Collection[tuple[str, str]] = (),
    not_asked: Collection[str] = (),
) -> pd.DataFrame:
    """Return the LABELS_TO_REVIEW table: contradictions first, then the least probable labels.

    `judged` is a JUDGED or JUDGED_LABELS table with the column `split`. `contradictions` maps image
    paths to the path of a near-duplicate with a different label. Either one of the two labels is
    wrong, or both images show both classes. The two images are listed together, and the pair with
    the least probable label comes first. Images labelled by a person are left out: `reviewed` lists
    them by `pixels_sha256`, or by path in composed Unicode.

    If images can show several labels, a row is about one: `likely` is "add sea" or "remove sea",
    and `probability` is that of what the cell `label` says about sea. If it is not known, `likely`
    is "ask sea", and `probability` is about sea; images in `reviewed` have such rows, too. Of the
    images without a contradiction, those with each kind of first row take turns. The rows of an
    image stand together, because all of them change its one cell: `cell` is what to write into
    labels.csv if the model is right about the labels in them, given `clean.not_asked`. An image in
    `judged` may have a `group`.
    """
    others = dict(contradictions)
    judged = judged.assign(contradicts=[others.get(path, "") for path in judged["path"]])
    if labels := predicted_labels(judged):
        suspects = _unlikely_labels(judged, labels)
    else:
        is_unlikely = judged["probability"] < MAX_OF_LABEL
        is_unlikely &= judged["likely_probability"] > MIN_OF_OTHER
        suspects = judged[is_unlikely | (judged["contradicts"] != "")]
        suspects = suspects.assign(urgency=suspects["probability"], is_asked=False)
    is_reviewed = suspects["pixels_sha256"].isin(reviewed)
    is_reviewed |= suspects["path"].str.normalize("NFC").isin(reviewed)
    suspects = suspects[~is_reviewed | suspects["is_asked"]]
    suspects = suspects.sort_values("urgency", kind="stable")
    pairs = [
        "\n".join(sorted(pair)) if pair[1] else ""
        for pair in zip(suspects["path"], suspects["contradicts"])
    ]
    order = pd.factorize(np.array(pairs, object))[0]
    suspects = suspects.iloc[np.lexsort((order, suspects["contradicts"] == ""))]
    if not labels:
        return suspects
    kind = suspects["likely"].str.split(" ").str[0]
    is_first = ~suspects["path"].duplicated() & (suspects["contradicts"] == "")
    turn = is_first.groupby(kind).cumsum().where(is_first)
    turn = turn.groupby(suspects["path"]).transform("first").fillna(0)
    place = pd.factorize(suspects["path"])[0]
    suspects = suspects.iloc[np.lexsort((place, turn))]
    return suspects.assign(cell=_suggested(suspects, not_asked))


def describe_listed(suspects: pd.DataFrame) -> str:
    """Return the numbers of labels to review and to ask in a result of `list_suspects`."""
    asked = suspects["is_asked"].sum()
    text = f"labels to review: {len(suspects) - asked:,}"
    return f"{text}, and to ask next: {asked:,}" if asked else text


def to_correct(review: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a table of labels to review without those about labels to ask."""
    return review[~(review["likely"].str.startswith(ASK) & ("cell" in review))]


def _unlikely_labels(judged: pd.DataFrame, labels: list[str]) -> pd.DataFrame:
    """Return a row for each unlikely label in a JUDGED_LABELS table with `contradicts`.

    Of near-duplicates, the labels that differ have rows, too, and so have the labels to ask. The
    columns `urgency`, of which the lowest comes first, and `is_asked` are added.
    """
    shown = SEVERAL_LABELS.encode(judged["label"], labels)
    has, is_known = shown == 1, shown >= 0
    probabilities = judged[[PROBABILITY + label for label in labels]].to_numpy()
    share = has.sum(axis=0) / np.maximum(is_known.sum(axis=0), 1)
    odds = np.stack([probabilities * (1 - share), (1 - probabilities) * share])
    of_missing, of_surplus = odds > MIN_OF_ODDS * odds[::-1]
    is_listed = np.where(
        has,
        (probabilities < MAX_OF_LABEL) & of_surplus,
        (probabilities > MIN_OF_MISSING) & of_missing,
    )
    # A fold without the only training image or group of a label has not learned it.
    groups = judged["group" if "group" in judged else "path"].to_numpy()
    for state in (0, 1):
        trained = (judged["split"] == "train").to_numpy()[:, None] & (shown == state)
        alone = [len(np.unique(groups[column])) == 1 for column in trained.T]
        is_listed &= ~(trained & alone)
    other = pd.Index(judged["path"]).get_indexer(judged["contradicts"])
    is_listed |= (other >= 0)[:, None] & (has != has[other]) & is_known[other]
    is_listed &= is_known
    order = _order_of_asking(judged, probabilities)
    is_listed |= _asked_next(~is_known, order, (judged["split"] == "train").to_numpy())
    image, label = np.nonzero(is_listed)
    verb = np.where(has, "remove ", np.where(is_known, "add ", ASK))[image, label]
    probability = np.where(has | ~is_known, probabilities, 1 - probabilities)
    return judged.iloc[image].assign(
        likely=np.char.add(verb, np.array(labels)[label]),
        probability=probability[image, label],
        urgency=np.where(is_known, probability, order)[image, label],
        is_asked=~is_known[image, label],
    )


def _order_of_asking(judged: pd.DataFrame, probabilities: np.ndarray) -> np.ndarray:
    """Return which labels to ask first, the lowest number first, in [0, 0.5] `(images, labels)`.

    For training images, it is the most doubtful ones. For other images, a hash decides: scores on
    doubtful images would be too low.
    """
    by_hash = hash_keys(judged["pixels_sha256"], "ask")[:, None] / 2.0**65
    is_training = (judged["split"] == "train").to_numpy()[:, None]
    return np.where(is_training, np.abs(probabilities - 0.5), by_hash)


def _asked_next(is_open: np.ndarray, order: np.ndarray, is_training: np.ndarray) -> np.ndarray:
    """Return which labels that are not known to ask, bool `(images, labels)`, ASKED at most.

    Training images and others have a share of them like their share of what `is_open`.
    """
    is_asked = np.zeros_like(is_open)
    for part in (is_open & is_training[:, None], is_open & ~is_training[:, None]):
        most = ASKED * part.sum() // max(is_open.sum(), ASKED)
        image, label = np.nonzero(part)
        first = np.argsort(order[part], kind="stable")[:most]
        is_asked[image[first], label[first]] = True
    return is_asked


def _suggested(suspects: pd.DataFrame, not_asked: Collection[str]) -> list[str]:
    """Return for each row the cell with what the model finds probable.

    This is about the labels in all rows of its image, but of those to ask only its own.
    """
    names = [likely.partition(" ")[2] for likely in suspects["likely"]]
    is_shown = (suspects["probability"] >= 0.5) != suspects["likely"].str.startswith("add ")
    rows = [*zip(suspects["path"], suspects["label"], names, is_shown.astype(int))]
    found: dict[str, dict[str, int]] = {}
    for (path, _, name, state), is_asked in zip(rows, suspects["is_asked"]):
        found.setdefault(path, {}).update({} if is_asked else {name: state})
    return [
        SEVERAL_LABELS.written(
            SEVERAL_LABELS.states_in(cell) | found[path] | {name: state}, not_asked
        )
        for path, cell, name, state in rows
    ]

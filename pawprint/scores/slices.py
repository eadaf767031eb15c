"""Score the photos of each site, camera and so on, and estimate the score at a new site."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from pawprint.base.columns import CROPS
from pawprint.base.errors import printable
from pawprint.base.labels import LabelKind
from pawprint.scores.intervals import (
    CONFIDENCE,
    fraction_interval,
    independent_counts,
    linear_interval,
)

MIN_PHOTOS = 10  # fewer photos with a value are left out
MAX_VALUES = 12  # a column with more values, such as a date, is left out
SITES = range(5, 21)  # numbers of sites that have an interval for a new one
DRAWS = 2000


class Slice(NamedTuple):
    """Photos with a value in a column of metadata.csv, and the fraction that is right.

    `elsewhere` is the fraction that the same classes reach with other values, and `lost` by how
    much the slice is below it, with an interval. Both leave out `alone`: the number of photos of
    classes that no other value has; they are NaN if these are all. `p_value` is corrected for all
    slices, and `share` is the slice's part of the photos in its column.
    """

    column: str
    value: str
    photos: int
    right: float
    low: float
    high: float
    elsewhere: float
    lost: tuple[float, float, float]
    alone: int
    share: float
    p_value: float


def score_slices(metadata: pd.DataFrame, every: pd.DataFrame, kind: LabelKind) -> list[Slice]:
    """Return the slices, column by column, the worst first.

    `metadata` is a METADATA table, and `every` has `path`, `actual`, `wrong` and `group` of photos
    that the model was not trained on. In a column, the largest excess of errors is tested: each
    draw reassigns the errors within each class, so that a site with more photos of a hard class
    does not count as worse, and a group counts once. Holm's method corrects for the columns. If
    labels are several, `strata` takes the place of the class.
    """
    every = every.assign(actual=kind.strata(every["actual"]))
    known = metadata[~metadata["column"].isin(["confidence", CROPS])]  # of `crop`, about a box
    found = []
    for column, rows in every.merge(known, on="path").groupby("column", sort=False):
        rows = rows[rows.groupby("value")["path"].transform("size") >= MIN_PHOTOS]
        if 2 <= rows["value"].nunique() <= MAX_VALUES:
            found.append((column, rows, _p_values(rows.drop_duplicates(["group", "value"]))))
    found.sort(key=lambda each: min(each[2].values()))
    slices = []
    least = 0.0
    for number, (column, rows, p_values) in enumerate(found):
        factor = len(found) - number
        p_values = {value: max(least, min(1, p * factor)) for value, p in p_values.items()}
        least = min(p_values.values())
        of_column = [_slice(rows, column, value, p) for value, p in p_values.items()]
        slices += sorted(of_column, key=lambda each: each.right)
    return slices


def _slice(rows: pd.DataFrame, column: str, value: str, p_value: float) -> Slice:
    is_in = rows["value"] == value
    part, rest = rows[is_in], rows[~is_in]
    right = ~part["wrong"].to_numpy()
    interval = fraction_interval(*independent_counts(right, part["group"].to_numpy()))
    is_shared = rows["actual"].isin({*part["actual"]} & {*rest["actual"]})
    shared = rows[is_shared]
    alone = len(part) - int((is_shared & is_in).sum())
    elsewhere = np.nan
    lost = (np.nan, np.nan, np.nan)
    if alone < len(part):
        shares = part.loc[is_shared[is_in], "actual"].value_counts(normalize=True).sort_index()
        wrong = shared.groupby([shared["value"] != value, "actual"])["wrong"].mean()
        elsewhere = float(1 - (wrong[True] * shares).sum())
        cells = np.where(shared["value"] == value, "0", "1") + shared["actual"]
        wrongs, groups = shared["wrong"].to_numpy(), shared["group"].to_numpy()
        ends = linear_interval(wrongs, cells, groups, weights=[*shares, *-shares])
        lost = (float((wrong[False] * shares).sum() - 1 + elsewhere), *ends)
    share = len(part) / len(rows)
    found = (len(part), float(right.mean()), *interval, elsewhere, lost, alone, share, p_value)
    return Slice(column, value, *found)


def _p_values(rows: pd.DataFrame) -> dict[str, float]:
    """Return, by value, the p-value of its excess of errors, corrected for the column's values."""
    names, value = np.unique(rows["value"], return_inverse=True)
    wrong = rows["wrong"].to_numpy()
    rng = np.random.default_rng(0)
    drawn = np.zeros((DRAWS, len(names)))
    seen = np.zeros(len(names))
    for is_of in (rows["actual"].to_numpy() == name for name in rows["actual"].unique()):
        photos = np.bincount(value[is_of], minlength=len(names))
        expected = photos * wrong[is_of].mean()
        draws = rng.multivariate_hypergeometric(photos, wrong[is_of].sum(), size=DRAWS)
        drawn += draws - expected
        seen += np.bincount(value[is_of], wrong[is_of], len(names)) - expected
    scale = np.bincount(value) ** 0.5
    largest = (drawn / scale).max(axis=1)
    return {
        str(name): float((1 + (largest >= excess - 1e-9).sum()) / (1 + DRAWS))
        for name, excess in zip(names, seen / scale)
    }


def describe_slice(each: Slice) -> str:
    """Return the end of a sentence about a slice that is worse than others."""
    return (
        f"the model is correct on {each.right:.0%} of these {each.photos:,} ({each.low:.0%} to "
        f"{each.high:.0%}), and on {each.elsewhere:.0%} of the same classes elsewhere; add such "
        "photos, of every class."
    )


class Site(NamedTuple):
    """Photos of a site, predicted by a fit to the other sites: the fraction that is right.

    `independent` is the effective number of `photos`.
    """

    name: str
    photos: int
    independent: int
    right: float


def score_sites(values: pd.Series, right: np.ndarray, groups: pd.Series) -> list[Site]:
    """Return the sites with MIN_PHOTOS or more, the worst first; `right` is bool `(photos,)`."""
    sites = []
    for name, places in values.groupby(values.to_numpy()).indices.items():
        if len(places) >= MIN_PHOTOS:
            is_right = right[places]
            _, independent = independent_counts(is_right, groups.to_numpy()[places])
            sites.append(Site(str(name), len(places), independent, float(is_right.mean())))
    return sorted(sites, key=lambda site: site.right)


def new_site_interval(sites: Sequence[Site]) -> tuple[float, float]:
    """Return the interval for the accuracy at a new site, with the mix of classes of these.

    By chance alone, the arcsine of a fraction's root has a variance of about 1 / (4 n + 2)
    (Anscombe, 1948, https://doi.org/10.1093/biomet/35.3-4.246). Differences between sites add to
    it. docs/decisions/29 lists the coverage.
    """
    from scipy.special import stdtrit  # imported here because it is slow and rarely needed

    rights, photos = np.transpose([(site.right, site.independent) for site in sites])
    angles = np.arcsin(np.sqrt((rights * photos + 3 / 8) / (photos + 3 / 4)))
    variance = max(angles.var(ddof=1), (1 / (4 * photos + 2)).mean())
    reach = stdtrit(len(sites) - 1, (1 + CONFIDENCE) / 2)
    reach *= (variance * (1 + 1 / len(sites))) ** 0.5
    ends = np.clip([angles.mean() - reach, angles.mean() + reach], 0, np.pi / 2)
    low, high = np.sin(ends) ** 2
    return float(low), float(high)


def describe_sites(choices: Mapping) -> str:
    """Return a sentence about new sites; `choices` is the content of data/cross_validation.json."""
    rights = [site["right"] for site in choices["sites"]]
    text = (
        f"Will new photos come from another {printable(choices['sites_from'])}? With each of "
        f"the {len(rights)} left out of training in turn, the model is right on {rights[0]:.0%} to "
        f"{rights[-1]:.0%} of its photos"
    )
    if "new_site" not in choices:
        return f"{text}. These are too few to say what to expect: add photos of others."
    low, high = choices["new_site"]
    return (
        f"{text}; about one new one in {len(rights) + 1} scores below the worst. Expect {low:.0%} "
        f"to {high:.0%} ({CONFIDENCE:.0%} interval) at a new one, for classes mixed as "
        "here."
    )

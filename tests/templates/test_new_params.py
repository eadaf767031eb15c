"""An upgrade adds params to params.yaml, and keeps the values and the comments of the user."""

import pytest
from conftest import PROJECT, refused

from pawprint.recipes.overlay import add_missing
from pawprint.templates.files import flat

TEMPLATE = (PROJECT / "params.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("section", "key"), [("clean", "bits"), ("model", "resize"), ("plot", "errors")]
)
def test_param_that_is_missing_comes_back_with_its_comment_and_no_other_line_changes(section, key):
    lines = TEMPLATE.splitlines()
    start = lines.index(f"{section}:")
    line = next(line for line in lines[start:] if line.startswith(f"  {key}: "))
    rest = [each for each in lines if each != line]
    added = add_missing("\n".join(rest), TEMPLATE).splitlines()
    assert flat("\n".join(added)) == flat(TEMPLATE)
    assert " ".join(added.pop(start + 1).split()).startswith(" ".join(line.split()))
    assert added == rest


def test_values_and_comments_of_the_user_stay():
    plot = "plot:\n  # many errors\n  errors: 40  # see the wiki\n"
    mine = f"# ours\n{plot}fetch: {{source: photos}}  # our own\n"
    added = add_missing(mine, TEMPLATE)
    assert set(mine.splitlines()) <= set(added.splitlines())
    assert flat(added) == flat(TEMPLATE) | {"plot.errors": 40, "fetch.source": "photos"}
    assert add_missing(added, TEMPLATE) == added
    assert flat(add_missing("plot: {errors: 3}\n", TEMPLATE))["plot.errors"] == 3


def test_params_that_are_no_sections_are_one_line():
    with refused("params.yaml: expected sections with params"):
        flat("- 1\n")

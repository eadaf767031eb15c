"""An upgrade adds params to params.yaml, and changes nothing that the user wrote."""

from conftest import PROJECT, refused

from pawprint.templates.params import add_new_params, flat

TEMPLATE = (PROJECT / "params.yaml").read_text(encoding="utf-8")


def test_values_comments_and_layout_of_the_user_stay():
    plot = "plot:\n    # many errors\n    errors: 40  # see the wiki\n"
    mine = f"# ours\n{plot}fetch: {{source: photos}}  # our own\n"
    added = add_new_params(mine, TEMPLATE)
    assert [line for line in added.splitlines() if line in mine.splitlines()] == mine.splitlines()
    assert flat(added) == flat(TEMPLATE) | {"plot.errors": 40, "fetch.source": "photos"}
    assert add_new_params(added, TEMPLATE) == added


def test_section_in_braces_that_lacks_a_param_is_one_line():
    with refused("params.yaml: plot: expected one line for each param"):
        add_new_params("plot: {errors: 3}\n", TEMPLATE)
    with refused("params.yaml: expected sections with params"):
        add_new_params("- 1\n", TEMPLATE)

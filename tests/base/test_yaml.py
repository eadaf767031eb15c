import pytest
from conftest import refused
from dvc.utils.serialize import loads_yaml

from pawprint.base.yaml_file import parse_yaml, read_yaml

SCALARS = r"""
~ null Null nUll true True tRue false FALSE yes Yes no No on off y
0 -0 7 -7 +7 007 017 08 09.5 0o8 0x --1 1,000
99999999999999999999 0.0 1. .5 -.5 1.5 1e-6 -1e-6 1E6 1e+6 1.e3 1e400
0.000001 1e e5. . + .inf -.inf .Inf .nan .NAN -.nan inf nan 0.1e
1:30 12:30:45 1.2.3 2001-1 'no' "1" '1e-6' é a_b <a
"""
MORE_SCALARS = ["", "1 000", "!!str 1", "!!int 017", "!!float 1", "!!bool yes"]


def typed(value: object) -> tuple[type, str]:
    return type(value), repr(value)  # nan is not equal to itself


def test_scalars_are_read_as_dvc_reads_them():
    for scalar in SCALARS.split() + MORE_SCALARS:
        text = f"key: {scalar}"
        assert typed(parse_yaml(text, "")["key"]) == typed(loads_yaml(text)["key"]), scalar


BROKEN = ["a: [", "a: b: c", "a\n\nb: c", "\0", "{[a]: b}", "a: !!float x", "a: !unknown x"]
BROKEN += ["a: !!python/object/apply:os.getcwd []", "a: *missing", "<<: 1", "--- 1\n--- 2"]


@pytest.mark.parametrize("text", [*BROKEN, "[" * 101 + "]" * 101])
def test_document_that_cannot_be_read_is_one_line(text):
    with refused("params.yaml: "):
        parse_yaml(text, "params.yaml")


def test_repeated_key_is_named_with_its_line():
    with refused("line 3", "'seed' twice"):
        parse_yaml("split:\n  seed: 1\n  seed: 2\n", "params.yaml")


def test_merged_key_may_be_repeated():
    text = "a: &a {x: 1, y: 1}\nb: &b {<<: *a, x: 2}\nc: {<<: *b, x: 3}\nd: *b"
    assert parse_yaml(text, "")["c"] == {"x": 3, "y": 1}


@pytest.mark.parametrize("line", ["url: 'word", "url: word: word", "- word", "url: @word"])
def test_line_that_is_no_yaml_is_not_quoted(line):
    with refused("photos.yaml: ", "line ", "column ") as error:
        parse_yaml(f"sha256: null\n{line}", "photos.yaml")
    assert "word" not in str(error.value)


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_file_that_is_missing_or_no_text_is_one_line(tmp_path, content):
    path = tmp_path / "params.yaml"
    if content is not None:
        path.write_bytes(content)
    with refused("params.yaml: "):
        read_yaml(path)

"""The stage `report` on the tables of a made-up run, with grey pictures and rejected files."""

import html
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
import yaml
from conftest import PROJECT, run
from made_up_run import write_run
from PIL import Image

from pawprint.core import paths
from pawprint.core.tables import REJECTED, SCORES, read_table
from pawprint.reports.results import describe_accuracy, score_of, with_interval
from recipes.overlay import overlay

LABELS = {"ant": 30, "bee": 12, "<cow>": 5}
FILES = [("<script>alert(1)</script>.jpg", "not_an_image", "a & b")]
FILES += [("a.jpg", "truncated", "x")] * 60
SECRET = "correct-horse"
URL = f"https://user:{SECRET}@host/file?token={SECRET}"
SECRETS = f"{{fetch: {{source: '{URL}'}}, weights: {{source: '{URL}'}}}}"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    workspace = tmp_path_factory.mktemp("report")
    for name in ("pawprint", "stages"):
        shutil.copytree(PROJECT / name, workspace / name)
    params = (PROJECT / "params.yaml").read_text(encoding="utf-8")
    (workspace / "params.yaml").write_text(overlay(params, SECRETS), encoding="utf-8")
    pictures = [getattr(paths, name) for name in vars(paths) if name.endswith("_PLOT")]
    write_run(workspace, LABELS, pd.DataFrame(FILES, columns=list(REJECTED)), ("train", "test"))
    for picture in pictures:
        Image.new("RGB", (30, 20), "grey").save(workspace / picture)
    return workspace


@pytest.fixture(scope="module")
def page(workspace) -> str:
    result = run("python", "-m", "stages.report", cwd=workspace)
    assert (result.returncode, result.stderr) == (0, "")
    return (workspace / paths.REPORT).read_text(encoding="utf-8")


class Elements(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.found.append((tag, dict(attributes)))

    def of(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.found if name == tag]


def test_page_needs_nothing_beside_itself(page):
    elements = Elements(page)
    assert elements.of("script") == elements.of("link") == elements.of("iframe") == []
    assert "url(" not in page and "@import" not in page
    images = elements.of("img")
    assert len(images) == 10
    assert all(image["src"].startswith("data:image/webp;base64,") for image in images)


def test_every_picture_has_an_alternative_text_of_its_own(page):
    texts = [image["alt"] for image in Elements(page).of("img")]
    assert len(set(texts)) == len(texts)
    assert all(len(text) > 10 for text in texts)


def test_numbers_are_the_recorded_ones(page, workspace):
    scores = read_table(workspace / paths.SCORES, SCORES)
    accuracy = score_of(scores, "test", "accuracy")
    assert f"{round(accuracy['value'] * 30)} of 30" in page
    assert describe_accuracy(accuracy) in page
    for label in LABELS:
        assert with_interval(score_of(scores, "test", "f1", label)) in page


def test_seeds_of_another_run_are_out_of_date(page):
    assert "metrics/seeds.json is out of date" in page
    assert "of 3 seeds" not in page


def test_classes_are_counted_and_their_imbalance_is_named(page):
    cells = "".join(f'<td class="number">{number}</td>' for number in (5, 5, 5, 15))
    assert f'<th scope="row">&lt;cow&gt;</th>{cells}' in page
    assert "90 images of ant, 15 of &lt;cow&gt;" in page


def test_groups_that_the_splits_of_the_archive_divide_are_counted(page):
    text = " ".join(page.split())
    assert "that the archive's own splits divide: 1. No other group" in text


def test_names_of_files_are_text_and_not_markup(page):
    assert "&lt;script&gt;alert(1)&lt;/script&gt;.jpg" in page
    assert "<td>not an image</td><td>a &amp; b</td>" in page


def test_long_list_of_rejected_files_is_cut(page):
    assert page.count("<td>a.jpg</td>") == 49
    assert "The first 50 of 61; data/clean/rejected.csv lists all." in page


def test_passwords_and_tokens_of_sources_are_left_out(page):
    assert SECRET not in page


def test_params_are_all_there_in_their_order(page):
    shown = yaml.safe_load(html.unescape(re.search(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)[1]))
    expected = yaml.safe_load((PROJECT / "params.yaml").read_text(encoding="utf-8"))
    expected["fetch"]["source"] = expected["weights"]["source"] = "https://host/file"
    assert shown == expected
    assert list(shown) == list(expected)

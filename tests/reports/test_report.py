"""The card and the report of a finished run, on the records of the committed one."""

import json
import re
import shutil
from html.parser import HTMLParser

import pytest
from conftest import PROJECT, run
from PIL import Image
from ruamel.yaml import YAML

from pawprint.core import paths
from stages.report import draw_graph

STAGES = YAML(typ="safe").load(PROJECT / "dvc.yaml")["stages"]
EVALUATED = json.loads((PROJECT / paths.EVALUATE_METRICS).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> str:
    """The report of the committed metrics, with grey pictures and a rejected file."""
    workspace = tmp_path_factory.mktemp("report")
    for name in ("metrics", "plots", "pawprint", "stages", "params.yaml", "dvc.yaml"):
        copy = shutil.copytree if (PROJECT / name).is_dir() else shutil.copy
        copy(PROJECT / name, workspace / name)
    pictures = [getattr(paths, name) for name in vars(paths) if name.endswith("_PLOT")]
    for picture in pictures:
        Image.new("RGB", (30, 20), "grey").save(workspace / picture)
    (workspace / paths.CLEAN_REJECTED).parent.mkdir(parents=True)
    (workspace / paths.CLEAN_REJECTED).write_text(
        "path,reason,detail\n<script>alert(1)</script>.jpg,truncated,a & b\n", encoding="utf-8"
    )
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


def test_every_picture_says_what_it_shows(page):
    assert all(len(image["alt"]) > 10 for image in Elements(page).of("img"))


def test_numbers_are_the_recorded_ones(page):
    test = EVALUATED["test"]
    assert f"{test['correct']} of {test['total']}" in page
    assert f"{test['accuracy']:.2%} ({test['correct']}/{test['total']})" in page
    assert f"{test['dog']['f1']:.4f}" in page


def test_names_of_files_are_text_and_not_markup(page):
    assert "&lt;script&gt;alert(1)&lt;/script&gt;.jpg" in page
    assert "a &amp; b" in page


def test_params_are_all_there(page):
    shown = re.search(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)[1]
    shown = shown.replace("&#39;", "'").replace("&#34;", '"')
    assert YAML(typ="safe").load(shown) == YAML(typ="safe").load(PROJECT / "params.yaml")


def test_graph_has_every_stage_after_what_it_needs():
    graph = draw_graph(STAGES)
    x = {node["name"]: node["x"] for node in graph["nodes"]}
    assert set(x) == set(STAGES)
    for before, after in (
        ("fetch", "clean"),
        ("features", "train_extract"),
        ("train_finetune", "calibrate"),
        ("evaluate", "card"),
        ("plot", "report"),
    ):
        assert x[before] < x[after]
    boxes = [(node["x"], node["y"]) for node in graph["nodes"]]
    assert len(set(boxes)) == len(boxes)


def test_model_card_shows_the_recorded_numbers_and_the_hashes_of_the_lock():
    card = (PROJECT / paths.MODEL_CARD).read_text(encoding="utf-8")
    for split in ("validation", "test"):
        measured = EVALUATED[split]
        assert f"{measured['accuracy']:.2%} ({measured['correct']}/{measured['total']})" in card
    lock = YAML(typ="safe").load(PROJECT / "dvc.lock")["stages"]
    for stage in ("fetch", "calibrate"):
        assert lock[stage]["outs"][-1]["md5"] in card, stage

"""Test `pawprint.Project`: tables, params, verdicts and runs of a project, from any folder."""

import doctest
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from app_project import PHOTOS, write_photos, write_project
from conftest import (
    PROJECT,
    commit,
    encode,
    environment_with,
    git_init,
    photo,
    photos_of,
    refused,
    set_author,
    succeed,
    write_files,
)
from made_up_run import scores_of
from networks import write_colour_model
from PIL import Image

import pawprint
from pawprint import paths
from pawprint.columns import IMAGES, SCORES
from pawprint.commands.export import FORMATS
from pawprint.dataset.sources import fetch
from pawprint.params.file import set_params
from pawprint.pipeline import runs
from pawprint.projects.discard import discard, find_uncommitted, to_discard
from pawprint.projects.init import create
from pawprint.projects.labelling import labels_given, undecided
from pawprint.projects.project import FORMS, Project
from pawprint.projects.recipes import use_recipe
from pawprint.projects.upgrade import upgrade
from pawprint.recipes.demo import draw_tutorial
from pawprint.tables import write_table
from pawprint.yaml_file import read_yaml


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    """Return a project with two commits of predictions, of which the second has errors."""
    folder = write_project(tmp_path_factory.mktemp("made") / "project")
    write_photos(folder)
    return Project(folder)


@pytest.fixture
def with_params(tmp_path) -> Project:
    (tmp_path / "params.yaml").write_bytes((PROJECT / "params.yaml").read_bytes())
    return Project(tmp_path)


def test_package_exports_these_names_cheaply_and_nothing_that_trains():
    names = ["InputError", "Prediction", "Project", "init", "load"]
    assert dir(pawprint) == pawprint.__all__ == names
    code = (
        "import sys, pawprint; cheap = {*sys.modules}; from pawprint import *; "
        "print(*({'pandas', 'openvino', 'dvc'} & cheap), *({'tensorflow', 'keras', 'dvc'} & "
        "sys.modules.keys()))"
    )
    assert succeed("python", "-c", code, cwd=PROJECT).split() == []


def test_folder_without_a_project_is_refused(tmp_path):
    with refused(str(tmp_path), "params.yaml", "pawprint.init"):
        Project(tmp_path)


def test_tables_are_of_the_project_wherever_the_program_is(project, tmp_path, monkeypatch):
    monkeypatch.chdir(project.folder.parent)
    relative = Project(project.folder.name)
    monkeypatch.chdir(tmp_path)
    table = relative.predictions("validation")
    assert (table["actual"] != table["predicted"]).sum() == 2
    with refused("predictions", "test", "train"):
        project.predictions("train")  # type: ignore[arg-type]
    write_table(project.folder / paths.SCORES_CSV, scores_of(["cat", "dog"]), SCORES)
    assert {*relative.scores()["split"]} == {"test", "validation"}
    with refused(str(paths.LABELS_TO_REVIEW_CSV)):
        relative.labels_to_review()


def test_params_are_set_by_name_and_comments_stay(with_params):
    path = with_params.folder / "params.yaml"
    before = path.read_text(encoding="utf-8")
    one = pd.Series([160])[0]  # a NumPy number
    lines = with_params.set({"model.image_size": one, "augment.RandomZoom.height_factor": 0.2})
    assert lines[0] == "model.image_size: 288 → 160" and "0.2" in lines[1]
    after = path.read_text(encoding="utf-8")
    assert after.count("#") == before.count("#")
    changed = read_yaml(path)
    assert changed["model"]["image_size"] == 160
    assert changed["augment"]["RandomZoom"] == {"height_factor": 0.2}


@pytest.mark.parametrize(
    ("name", "value", "parts"),
    [
        ("model.image_sizes", 160, ["model.image_sizes", "model.image_size"]),
        ("image_size", 160, ["image_size", "model.image_size"]),
        ("model", 160, ["model: ", "Did you mean model."]),
        ("model", {"image_size": 160}, ["model: ", "Did you mean model."]),
        (160, 1, ["160: "]),
        ("augment.RandomZoom.a.b", 1, ["augment.RandomZoom.a.b"]),
        ("augment.RandomZoom.a.height_factor", 1, ["augment.RandomZoom.a.height_factor"]),
        ("model.image_size.pixels", 160, ["model.image_size", "mapping"]),
        ("model.image_size", "large", ["model.image_size", "large"]),
    ],
)
def test_wrong_param_is_a_line_and_nothing_is_written(with_params, name, value, parts):
    before = (with_params.folder / "params.yaml").read_bytes()
    with refused(*parts):
        with_params.set({"split.seed": 2, name: value})
    assert (with_params.folder / "params.yaml").read_bytes() == before


def test_labels_are_corrected_by_path_from_any_folder_and_other_cells_stay(project):
    folder = project.folder
    first, second, third, fourth = (photo[0] for photo in PHOTOS)
    given = f"path,label,seen_by\n{second},dog,Ann\nold.jpg,cat,\n"
    write_files(folder, {"labels.csv": given})
    images = [[path, label, pixels] for path, label, _, pixels, *_ in PHOTOS]
    table = pd.DataFrame(images, columns=["path", "label", "pixels_sha256"])
    write_table(
        folder / paths.IMAGES_CSV, table.reindex(columns=list(IMAGES), fill_value=0), IMAGES
    )
    project.correct_labels({f" {first}": "DOG", second: "none", third: "?"})
    rows = f"{second},none,Ann,\nold.jpg,cat,,\n{first},dog,,{64 * '1'}\n"
    assert (folder / "labels.csv").read_text() == f"path,label,seen_by,pixels_sha256\n{rows}"
    assert [*undecided(folder)] == [64 * "3"]
    before = (folder / "labels.csv").read_bytes()
    wrong = {"cats/9.jpg": "cat", "1.jpg": "cat", third: "owl", first: ""}
    advice = ("run the project", f"Did you mean '{first}'", "cat, dog", "Class: ")
    for (path, label), words in zip(wrong.items(), advice):
        with refused(words):
            project.correct_labels({fourth: "cat", path: label})
    with pytest.raises(TypeError, match=first):
        project.correct_labels(pd.Series({fourth: "cat", first: float("nan")}))
    assert (folder / "labels.csv").read_bytes() == before
    project.correct_labels(pd.Series({third: "dog", first: None}, dtype=object))
    assert labels_given(folder) == {second: "none", "old.jpg": "cat", 64 * "3": "dog"}
    assert not undecided(folder)


def test_labels_give_new_classes_only_where_no_folder_does(tmp_path):
    write_files(tmp_path / "photos", photos_of(["1.jpg", "2.jpg", "3.jpg"]))
    params = "clean: {labels: auto, rule: decodes, bits: null}\n"
    write_files(tmp_path, {"params.yaml": params, "labels.csv": "path,label\n3.jpg,owl\n"})
    project = Project(tmp_path)
    with refused(str(tmp_path), "dvc repro"):  # there is no run
        project.correct_labels({"1.jpg": "ant"})
    fetch(tmp_path / "photos", tmp_path / paths.RAW_ARCHIVES)
    project.correct_labels({"1.jpg": "ant", "2.jpg": "Owl"})
    assert labels_given(tmp_path) == {"3.jpg": "owl", "1.jpg": "ant", "2.jpg": "owl"}
    with refused("Class: ", "unknown"):
        project.correct_labels({"1.jpg": "unknown"})


def test_second_init_says_how_to_open_the_project(tmp_path, monkeypatch):
    """As after "Run all" in a notebook."""
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path / "photos", photos_of(["cat/0.jpg", "cat/1.jpg", "dog/2.jpg"]))
    project = pawprint.init("pets", images="photos")
    params = (project.folder / "params.yaml").read_bytes()
    with refused("pets is already a project", "pawprint.Project('pets')"):
        pawprint.init("pets", images="photos")
    assert (project.folder / "params.yaml").read_bytes() == params


def test_verdict_has_sentences_and_a_table_as_text_and_as_html(project):
    compared = project.compare("HEAD~1", "HEAD")
    assert compared.sentences[0] in str(compared)
    assert compared.verdict in compared.sentences[0].lower()
    assert {"test", "validation"} <= {*compared.table["images"]}
    page = compared._repr_html_()
    assert "<table" in page and f"<b>{compared.sentences[0]}" in page
    with refused("no-such", "commit"):
        project.compare("no-such", "HEAD")


def test_report_is_shown_whole_inside_of_the_notebook(project):
    with refused("report.html"):
        project.report()
    path = project.folder / paths.REPORT
    path.write_text('<head></head><p title="a">1 &lt; 2</p>', encoding="utf-8")
    page = project.report()._repr_html_()
    # Otherwise, a link within the report would open the notebook.
    assert "href=&quot;about:srcdoc&quot;" in page
    assert '&lt;p title=&quot;a&quot;&gt;1 &amp;lt; 2&lt;/p&gt;"' in page


def test_model_labels_files_and_folders_of_folders_in_a_table(tmp_path):
    write_colour_model(tmp_path / "served")
    red = encode(Image.new("RGB", (40, 40), (200, 0, 0)), "PNG")
    files = {"all/cat/1.png": red, "all/dog/2.png": red, "all/dog/broken.png": b"no"}
    write_files(tmp_path, files)
    model = pawprint.load(tmp_path / "served")
    table = model.predict(tmp_path / "all")
    assert [Path(path).name for path in table["path"]] == ["1.png", "2.png", "broken.png"]
    assert table["label"].tolist() == [model.predict(red).label] * 2 + [""]
    total = table[["probability_cat", "probability_dog"]].sum(axis=1, skipna=False)
    assert total[:2].tolist() == pytest.approx([1, 1]) and pd.isna(total[2])
    assert table["error"][2] and not table["error"][:2].any()
    for name in ("all/dog/broken.png", "nothing.png"):
        with refused(str(tmp_path / name)):
            model.predict(tmp_path / name)
    with pytest.raises(pawprint.InputError):
        model.predict(b"no")
    both = model.predict([tmp_path / "all/cat/1.png", tmp_path / "nothing.png"])
    assert both["error"].tolist()[0] == "" and len(both) == 2


def test_folder_of_a_project_is_not_a_model_and_its_model_is_named(with_params):
    with refused("model.json", str(with_params.folder / paths.SERVED_MODEL)):
        pawprint.load(with_params.folder)


def test_model_without_a_folder_is_of_the_project_or_the_example(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert pawprint.load().metadata.labels == ["cat", "dog"]
    write_colour_model(tmp_path / paths.SERVED_MODEL, labels=["blue", "green", "red"])
    assert pawprint.load().metadata.labels == ["blue", "green", "red"]


def test_comparison_before_the_first_commit_advises_to_commit(with_params):
    git_init(with_params.folder)
    succeed("dvc", "init", "-q", cwd=with_params.folder)
    with refused("HEAD: ", "`git commit`"):
        with_params.compare("HEAD", "HEAD")


@pytest.mark.slow
def test_examples_of_the_docstrings_hold(tmp_path, monkeypatch):
    """They run in order, on the pictures of the tutorial."""
    monkeypatch.chdir(tmp_path)
    for name, value in environment_with().items():
        monkeypatch.setenv(name, value)
    draw_tutorial(tmp_path / "given")
    (tmp_path / "given" / "photos").rename(tmp_path / "photos")
    names = ["init", "Project", "set", "run", "scores", "predictions", "labels_to_review"]
    names += ["compare", "report", "load", "export", "candidates", "correct_labels"]
    parser = doctest.DocTestParser()
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    namespace = {"pawprint": pawprint}
    undocumented = {name for name in vars(Project) if not name.startswith("_")} - {*names}
    assert not undocumented
    for name in names:
        described = getattr(Project, name, None) or getattr(pawprint, name)
        test = parser.get_doctest(described.__doc__ or "", namespace, name, None, 0)
        assert test.examples, name
        runner.run(test, clear_globs=False)
        namespace |= test.globs
        if name == "run":
            set_author(tmp_path / "food")
            commit(tmp_path / "food", "First")
    load = parser.get_doctest(pawprint.load.__doc__ or "", namespace, "load", None, 0)
    runner.run(load)
    assert runner.summarize().failed == 0


WASTE = Path("waste")


@pytest.fixture
def outside(tmp_path, monkeypatch) -> Path:
    """Return the current folder, which contains photos."""
    names = [f"photos/{label}/{number}.jpg" for label in ("can", "jar") for number in range(2)]
    write_files(tmp_path, {name: photo(number) for number, name in enumerate(names)})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_project_is_made_changed_and_discarded_from_outside(outside):
    create(WASTE, Path("photos"), None, is_outside=False)
    assert (WASTE / "photos/can/0.jpg").exists() and Path("photos/can/0.jpg").exists()
    set_author(WASTE)
    commit(WASTE, "Project")
    before = read_yaml(WASTE / "params.yaml")
    set_params(WASTE, {"model.image_size": 96})
    write_files(WASTE, {"photos/jar/new.jpg": photo(9)})
    kept, lost, stages = find_uncommitted(WASTE)
    assert kept == ["1 photo of jar added"]
    assert lost == [f"model.image_size: {before['model']['image_size']} → 96"]
    assert stages[:2] == ["fetch", "clean"]
    assert to_discard(WASTE) == ["params.yaml"]
    write_files(WASTE, {runs.LOG: f"1.0\t{runs.END}0\n"})
    assert runs.read(WASTE).state == "done"
    discard(WASTE)
    assert runs.read(WASTE).state == ""
    assert read_yaml(WASTE / "params.yaml") == before
    assert (WASTE / "photos/jar/new.jpg").exists()
    use_recipe(WASTE, "filtered-160")
    assert read_yaml(WASTE / "params.yaml")["fetch"] == before["fetch"]
    assert read_yaml(WASTE / "params.yaml")["model"]["image_size"] == 160
    assert upgrade(WASTE) == []
    assert sorted(path.name for path in outside.iterdir()) == ["photos", "waste"]


def test_corrected_label_replaces_the_row_of_the_image_however_it_is_written(tmp_path):
    """A row by hand has no hash. An image with the label none is in no table of the run."""
    folder = tmp_path / "pets"
    names = ["cat/e\u0301.jpg", "cat/1.jpg", "cat/2.jpg", "dog/3.jpg"]
    write_files(tmp_path / "photos", photos_of(names))
    write_files(folder, {"params.yaml": "clean: {labels: auto, rule: decodes, bits: null}\n"})
    (folder / paths.RAW_ARCHIVES).parent.mkdir(parents=True)
    fetch(tmp_path / "photos", folder / paths.RAW_ARCHIVES)
    rows = f"cat/\xe9.jpg,dog,\n cat/1.jpg ,dog,\ncat/2.jpg,none,{64 * '2'}\n"
    table = folder / "labels.csv"
    table.write_text(f"path,label,pixels_sha256\n{rows}", encoding="utf-8")
    project = Project(folder)
    project.correct_labels({names[0]: None, names[1]: "cat", names[2]: "dog"})
    given = labels_given(folder)
    assert {path.strip(): label for path, label in given.items()} == {
        "cat/1.jpg": "cat",
        64 * "2": "dog",
    }
    before = table.read_bytes()
    with refused("one label", "'cat' and 'dog'"):
        project.correct_labels(pd.Series(["cat", "dog"], [names[0], "cat/\xe9.jpg"]))
    write_files(folder, {paths.UNDECIDED_CSV.name: "no table"})
    with refused(paths.UNDECIDED_CSV.name):
        project.correct_labels({names[3]: "cat"})
    assert table.read_bytes() == before
    (folder / paths.UNDECIDED_CSV).write_text("path,label\ncat/2.jpg,\n", encoding="utf-8")
    project.correct_labels({names[2]: "cat"})
    assert not undecided(folder)


def test_format_to_export_is_checked_before_anything_runs(with_params):
    with refused("export: ", "page", "oonx"):
        with_params.export("oonx")  # type: ignore[arg-type]
    assert not (with_params.folder / runs.LOG).exists()
    assert {*FORMS} == {*FORMATS}


def test_model_labels_any_series_of_paths_and_refuses_arrays_and_images_in_one(tmp_path):
    write_colour_model(tmp_path / "served")
    red = Image.new("RGB", (40, 40), (200, 0, 0))
    write_files(tmp_path, {"all/1.png": encode(red, "PNG"), "all/2.png": encode(red, "PNG")})
    model = pawprint.load(tmp_path / "served")
    folder = tmp_path / "all"
    expected = model.predict(folder)["label"].tolist()
    for paths_of in (tuple, iter, pd.Series):
        assert model.predict(paths_of(sorted(folder.iterdir())))["label"].tolist() == expected
    for wrong in (np.asarray(red), [np.asarray(red)]):
        with pytest.raises(TypeError, match=r"ndarray.*fromarray"):
            model.predict(wrong)
    for wrong in ([red], [folder, None], None, 7):
        with pytest.raises(TypeError, match="list") as raised:
            model.predict(wrong)
        assert "fromarray" not in str(raised.value)
    with (folder / "1.png").open("rb") as file:  # an open file, not its lines
        assert model.predict(file).label == expected[0]
    assert len(repr(model)) < 200 + len(str(tmp_path))

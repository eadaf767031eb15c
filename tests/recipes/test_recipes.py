"""Recipes as their users run them, and the models that come out."""

from pathlib import Path

import pytest
from conftest import OFFLINE, PROJECT, git_project, repro, run

from pawprint.core.files import pack, read_json
from pawprint.core.params.whole import load_params
from pawprint.core.yaml import parse_yaml
from pawprint.features.store import Shard
from pawprint.network.backend import keras
from recipes.overlay import apply, names, overlay, read
from recipes.sample.demo import prepare
from recipes.sample.drawings import drawn_dataset

PARAMS = (PROJECT / "params.yaml").read_text(encoding="utf-8")

# What is not the recipe's: a few drawn images, and the small network that is there without a
# download.
SMALL = f"""
fetch: {{source: ../images.zip}}
{OFFLINE}
model: {{alpha: 0.35, image_size: 96}}
split: {{test_fraction: 0.5}}
"""


@pytest.mark.parametrize("name", names())
def test_recipe_gives_valid_params_whichever_was_there_before(tmp_path, name):
    for before in names():
        text = apply(apply(PARAMS, before), name)
        assert text == apply(PARAMS, name)
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    load_params(tmp_path / "params.yaml")


def test_default_is_what_is_committed_and_names_what_any_recipe_names():
    assert apply(PARAMS, "default") == PARAMS
    default = parse_yaml(read("default"), "default")
    for name in names():
        for section, changes in parse_yaml(read(name), name).items():
            assert changes.keys() <= default[section].keys(), f"{name}: {section}"


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("recipes")
    pack(folder / "images.zip", drawn_dataset(train=10, validation=8))
    return folder


@pytest.mark.slow
@pytest.mark.filterwarnings("error:.*optimizer:UserWarning")
@pytest.mark.parametrize(
    ("name", "head", "optimizer", "trained", "epochs"),
    [
        pytest.param(
            *("filtered-160", ["Dense", "Activation"], "RMSprop", 18 + 2, (10, 10)),
            marks=pytest.mark.extended,
        ),
        pytest.param(
            *("filtered-160-sigmoid", ["Dense"], "Adam", 18 + 2, (10, 10)),
            marks=pytest.mark.extended,
        ),
        pytest.param(
            *("fresh-augmentation", ["Dense", "Activation"], "RMSprop", 18 + 2, (10, 10)),
            marks=pytest.mark.extended,
        ),
        (
            "local-zip-dense",
            ["Flatten", "Dense", "BatchNormalization", "Dropout", "Dense"],
            "Adam",
            6,
            (10, 0),
        ),
        pytest.param(
            *("petimages-224", ["Dropout", "Dense"], "Adam", 34 + 2, (3, 3)),
            marks=pytest.mark.extended,
        ),
    ],
)
def test_recipe_runs_and_saves_the_model_of_its_notebook(
    images, name, head, optimizer, trained, epochs
):
    workspace = images / name
    prepare(workspace, overlay(apply(PARAMS, name), SMALL))
    assert len(repro(workspace)) == 14
    model = keras.models.load_model(workspace / "models" / "finetune.keras")
    after_base = model.layers[model.layers.index(model.get_layer("backbone")) + 1 :]
    layers = [inner for layer in after_base for inner in getattr(layer, "layers", [layer])]
    pooling = [] if head[0] == "Flatten" else ["GlobalAveragePooling2D"]
    kinds = [type(layer).__name__ for layer in layers]
    assert [kind for kind in kinds if kind != "InputLayer"] == pooling + head
    assert type(model.optimizer).__name__ == optimizer
    assert len(model.trainable_variables) == trained
    extract = keras.models.load_model(workspace / "models" / "extract.keras")
    assert len(extract.trainable_variables) == len(extract.get_layer("head").trainable_variables)
    histories = [
        (workspace / "plots" / f"history_{phase}.csv").read_text().splitlines()[1:]
        for phase in ("extract", "finetune")
    ]
    if name != "local-zip-dense":  # which stops early
        assert tuple(map(len, histories)) == epochs
    numbers = [int(row.split(",")[0]) for history in histories for row in history]
    assert numbers == list(range(1, len(numbers) + 1))
    index = Shard(workspace / "data" / "features" / "shard-0.npy").read("index")
    assert index["view"].max() + 1 == load_params(workspace / "params.yaml").augment.views


@pytest.mark.extended
def test_three_classes_are_learned_offline(tmp_path):
    workspace = tmp_path / "project"
    things = run("python", "-m", "recipes.sample.things", str(tmp_path / "food"), cwd=PROJECT)
    assert things.returncode == 0, things.stderr
    prepare(workspace, apply(PARAMS, "three-classes"))
    assert len(repro(workspace)) == 14
    scores = read_json(workspace / "metrics" / "evaluate.json")
    assert scores["validation"]["accuracy"] > 0.85
    metadata = read_json(workspace / "models" / "served" / "model.json")
    assert metadata["labels"] == ["burger", "hotdog", "other"]
    assert metadata["threshold"] is None


def test_list_names_every_recipe_in_one_line():
    listed = run("python", "-m", "recipes", cwd=PROJECT).stdout.splitlines()
    assert [line.split()[0] for line in listed] == names()
    assert all(len(line) <= 120 for line in listed)


def test_show_prints_what_changes_and_nothing_else():
    shown = run("python", "-m", "recipes", "show", "local-zip-dense", cwd=PROJECT).stdout
    assert "  head.dense: null -> {" in shown
    assert "learning_rate_decay" not in shown
    assert "  nothing\n" in run("python", "-m", "recipes", "show", "default", cwd=PROJECT).stdout


def test_unknown_recipe_names_the_nearest():
    result = run("python", "-m", "recipes", "use", "petimages", cwd=PROJECT)
    assert result.returncode == 1
    assert result.stderr == "petimages: no such recipe. Did you mean petimages-224?\n"


def test_use_writes_params_but_not_over_changes_that_git_does_not_have(tmp_path):
    project = git_project(tmp_path, "split: {seed: 7}")
    params = project / "params.yaml"
    result = run("python", "-m", "recipes", "use", "filtered-160", cwd=project)
    assert result.returncode == 0, result.stderr
    written = params.read_text(encoding="utf-8")
    assert load_params(params).model.image_size == 160
    assert load_params(params).split.seed == 7
    assert written.count("#") == PARAMS.count("#")
    refused = run("python", "-m", "recipes", "use", "petimages-224", cwd=project)
    assert refused.returncode == 1
    assert refused.stderr.startswith("params.yaml: expected a file without uncommitted changes")
    assert params.read_text(encoding="utf-8") == written
    forced = run("python", "-m", "recipes", "use", "petimages-224", "--force", cwd=project)
    assert forced.returncode == 0
    assert load_params(params).model.fine_tune_last == 100


def test_every_recipe_says_where_it_comes_from():
    for name in set(names()) - {"default", "sample"}:
        head = [line for line in read(name).splitlines() if line.startswith("#")]
        assert head[1].startswith("# Source: "), name


def test_missing_local_zip_is_one_line(images):
    workspace = images / "missing"
    prepare(workspace, apply(PARAMS, "local-zip-dense"))
    result = run("dvc", "repro", cwd=workspace)
    assert result.returncode != 0
    assert "failed to reproduce 'fetch': [Errno 2] No such file or directory: " in result.stderr
    assert "cats_and_dogs.zip" in result.stderr

"""Test recipes as their users run them, and the resulting models."""

import pytest
from conftest import OFFLINE, PROJECT, commit, complaint, git_init, printed, refused, repro, run

from examples import demo
from examples.demo import draw_dataset, prepare
from pawprint.base import paths
from pawprint.base.files import pack
from pawprint.base.yaml_file import parse_yaml
from pawprint.commands.export_formats import keras_model
from pawprint.commands.params_file import flat, read_recipe, recipe_names, recipe_values, set_values
from pawprint.commands.recipes import DATA, use_recipe
from pawprint.network.hardware import keras
from pawprint.network.store import ITSELF, Shard
from pawprint.pipeline.params.model import load_params

PARAMS = (PROJECT / "params.yaml").read_text(encoding="utf-8")

# These settings are not part of a recipe: few drawn images, one epoch, and a small network that is
# available without a download.
SMALL = f"""
fetch: {{source: ../images.zip}}
{OFFLINE}
model: {{alpha: 0.35, image_size: 96}}
train_extract: {{epochs: {{number: 1}}}}
"""
EXTENDED = pytest.mark.extended


def test_recipe_gives_valid_params_whichever_was_there_before(tmp_path):
    """The params are those of all earlier recipes, applied forwards and backwards."""
    text, path = PARAMS, tmp_path / "params.yaml"
    for name in [*recipe_names(), *reversed(recipe_names())]:
        text = set_values(text, recipe_values(name))
        assert text == set_values(PARAMS, recipe_values(name))
        path.write_text(text, encoding="utf-8")
        load_params(path)


def test_cats_and_dogs_is_what_is_committed_and_names_what_any_recipe_names():
    assert set_values(PARAMS, recipe_values("cats-and-dogs")) == PARAMS
    committed = parse_yaml(read_recipe("cats-and-dogs"), "cats-and-dogs")
    for name in recipe_names():
        for section, changes in parse_yaml(read_recipe(name), name).items():
            assert changes.keys() <= committed[section].keys(), f"{name}: {section}"


def test_demo_replaces_no_folder_that_it_did_not_make(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "WORKSPACE", tmp_path)
    monkeypatch.setattr("sys.argv", ["demo"])
    (tmp_path / "labels.csv").write_text("mine")
    with refused(f"{tmp_path}: expected "):
        demo.main()
    assert [path.name for path in tmp_path.iterdir()] == ["labels.csv"]


# The head's layers, the optimizer, and the number of trained variables in each notebook's model.
MODELS = {
    "local-zip-dense": (["Flatten", "Dense", "BatchNormalization", "Dropout", "Dense"], "Adam", 6),
    "filtered-160": (["Dropout", "Dense", "Activation"], "RMSprop", 18 + 2),
    "filtered-160-sigmoid": (["Dropout", "Dense"], "Adam", 18 + 2),
    "fresh-augmentation": (["Dropout", "Dense", "Activation"], "RMSprop", 18 + 2),
    "petimages-224": (["Dropout", "Dense"], "Adam", 34 + 2),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("error:.*optimizer:UserWarning")
@pytest.mark.parametrize(
    "name", [*list(MODELS)[:1], *(pytest.param(n, marks=EXTENDED) for n in list(MODELS)[1:])]
)
def test_recipe_runs_and_saves_the_model_of_its_notebook(tmp_path, name):
    head, optimizer, trained = MODELS[name]
    pack(tmp_path / "images.zip", draw_dataset(train=10, validation=8))
    workspace = tmp_path / name
    prepare(workspace, set_values(PARAMS, recipe_values(name) | flat(SMALL)))
    repro(workspace, "evaluate")
    params = load_params(workspace / "params.yaml")
    is_tuned = (workspace / paths.TRAINED_MODEL).exists()
    if is_tuned:  # the file has the optimizer, for a program that continues training
        model = keras.models.load_model(workspace / paths.TRAINED_MODEL)
    else:
        model = keras_model(workspace, params)
    after_base = model.layers[model.layers.index(model.get_layer("backbone")) + 1 :]
    layers = [inner for layer in after_base for inner in getattr(layer, "layers", [layer])]
    pooling = [] if head[0] == "Flatten" else ["GlobalAveragePooling2D"]
    kinds = [type(layer).__name__ for layer in layers]
    assert [kind for kind in kinds if kind != "InputLayer"] == pooling + head
    if is_tuned:
        assert type(model.optimizer).__name__ == optimizer
        assert len(model.trainable_variables) == trained
    views = Shard(workspace / "data/features/train/shard-0.npy").read("index")["view"]
    assert views[views != ITSELF].max() + 1 == params.augment.views


def test_recipes_are_listed_and_shown_and_named_to_one_who_misspells_them():
    listed = printed(PROJECT, "recipes").splitlines()
    assert [line.split()[0] for line in listed] == recipe_names()
    assert printed(PROJECT, "recipes", "show", "local-zip-dense") == read_recipe("local-zip-dense")
    result = run("python", "-m", "pawprint", "recipes", "use", "petimages", cwd=PROJECT)
    assert result.returncode == 2
    assert "petimages-224" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", recipe_names())
def test_recipe_keeps_what_describes_data_and_names_what_differs(tmp_path, name):
    own = {"fetch.source": "photos", "clean.several_labels": True, "clean.bits": 12}
    text = set_values(PARAMS, own | {"split.test_fraction": 0.3, "clean.rule": "jfif"})
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    git_init(tmp_path)
    commit(tmp_path, "Params")
    kept = use_recipe(tmp_path, name)
    before, after = flat(text), flat((tmp_path / "params.yaml").read_text(encoding="utf-8"))
    assert all(after[key] == value for key, value in before.items() if key.startswith(DATA))
    assert {*kept} == {
        key for key, value in flat(read_recipe(name)).items() if after.get(key) != value
    }


def test_use_writes_params_but_not_over_changes_that_git_does_not_have(tmp_path):
    params, use = tmp_path / "params.yaml", ("recipes", "use", "filtered-160")
    params.write_text(set_values(PARAMS, {"split.seed": 7}), encoding="utf-8")
    git_init(tmp_path)
    commit(tmp_path, "Params")
    assert "kept your split.validation_fraction, split.test" in printed(tmp_path, *use)
    written = params.read_text(encoding="utf-8")
    assert load_params(params).model.image_size == 160
    assert load_params(params).split.seed == 7
    assert written.count("#") == PARAMS.count("#")
    commit(tmp_path, "Recipe")
    assert "kept" not in printed(tmp_path, *use, "--data")
    written = params.read_text(encoding="utf-8")
    assert load_params(params).split.test_fraction == 0.1
    line = complaint(tmp_path, "recipes", "use", "petimages-224")
    assert line.startswith("params.yaml: cannot overwrite uncommitted changes")
    assert params.read_text(encoding="utf-8") == written
    params.write_text(written.replace("  seed: 7", "\tseed: 7"), encoding="utf-8")
    assert complaint(tmp_path, "recipes", "use", "cats-and-dogs").startswith("params.yaml: ")

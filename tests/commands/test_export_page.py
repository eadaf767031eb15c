"""Test the page of a model in Chromium: squares, labels and messages. Most tests open a file."""

import base64
import csv
import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from app_browser import axe, chromium
from conftest import MIRROR, PROJECT, encode, photo, write_files
from networks import COLOURS, colour_model, metadata, with_probabilities
from PIL import Image
from servers import files_of

from pawprint.artifacts import Run
from pawprint.base.paths import PARAMS, SCORES_CSV
from pawprint.commands.export_formats import onnx_of, open_onnx
from pawprint.commands.export_page import RUNTIME, fetch_runtime, page_of, with_half_weights
from pawprint.given.reading import decode
from pawprint.model.predictor import load_predictor, predict_each
from pawprint.model.served_model import write_served_model
from pawprint.network.hardware import keras
from pawprint.network.keras_model import convert
from pawprint.network.views import resize
from pawprint.pipeline.params.model import load_params

pytestmark = pytest.mark.slow
SIZE = 32
NAME = "<i>cats & @MODEL@"  # of the project
TEXT = '</script><script>alert("1")</script> & @MODEL@'
# Many sides and scales: up, down and mixed. The second group is resized down first.
SIDES = [(1, 1), (1, 500), (500, 1), (31, 32), (32, 32), (97, 211), (640, 480), (454, 639)]
SIDES += [(37, 700), (368, 453), (288, 289), (601, 400)]


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Path:
    """Return a model whose rules each decide about one of the photos."""
    folder = tmp_path_factory.mktemp("page") / "served"
    rules = {"thresholds": {"red": 0.2, "blue": 0.9}, "min_confidence": 0.6}
    described = metadata(image_size=SIZE, labels=COLOURS, bits=12, decoded_side=64, **rules)
    network = convert(colour_model(SIZE, 3))
    write_served_model(network, described, None, folder, is_mirrored=False)
    return folder


@pytest.fixture(scope="module")
def runtime() -> dict:
    if not all((MIRROR / name).is_file() for name, _ in RUNTIME.values()):
        pytest.skip(f"the runtime is not at {MIRROR}: set PAWPRINT_MIRROR")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAWPRINT_MIRROR", str(MIRROR.resolve()))
        return fetch_runtime()


@pytest.fixture(scope="module")
def file(served, runtime) -> Path:
    return write_page(served, onnx_of(with_probabilities(colour_model(SIZE, 3))), runtime)


def write_page(served: Path, network: bytes, runtime: dict) -> Path:
    path = served.parent / "model.html"
    folder = write_files(served.parent / NAME, {SCORES_CSV: (PROJECT / SCORES_CSV).read_text()})
    described = load_predictor(served).metadata.model_copy(update={"commit": TEXT})
    run = Run(folder, described, None, pd.DataFrame())
    text = page_of(network, run, load_params(PROJECT / PARAMS), runtime)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator:
    flags = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    flags.append("--host-resolver-rules=MAP page.test 127.0.0.1")
    with chromium(*flags) as browser:
        yield browser


@pytest.fixture
def page(browser, file) -> Iterator:
    yield from loaded(browser, file.as_uri())


def loaded(browser, address: str, **options) -> Iterator:
    """Yield the page after it has loaded its model, without any request or logged error."""
    with browser.new_context(**options) as context:
        page = context.new_page()
        problems = []
        page.on("console", lambda line: problems.append(line.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: problems.append(request.url))
        page.goto(address)
        page.locator("#choose:enabled").wait_for()
        yield page
        allowed = (address, "blob:", "data:")
        assert [problem for problem in problems if not problem.startswith(allowed)] == []


def label(page, photos: list[Path]) -> list[dict]:
    """Return the table that the page saves for these files."""
    page.set_input_files("#files", [str(path) for path in photos])
    while page.evaluate("rows.length") < len(photos):
        page.wait_for_timeout(20)
    return list(csv.DictReader(io.StringIO(page.evaluate("csv()"))))


@pytest.mark.parametrize("method", ["crop", "pad", "stretch"])
def test_square_of_pixels_is_that_of_the_library_byte_by_byte(page, method):
    rng = np.random.default_rng(0)
    for width, height in SIDES:
        pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
        for size in (32, 224, 288):
            text = base64.b64encode(pixels.tobytes()).decode()
            answer = page.evaluate(
                """([text, ...rules]) => {
                  const pixels = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
                  const result = square(pixels, ...rules);
                  return Array.from(result, (value) => String.fromCharCode(value)).join("");
                }""",
                [text, width, height, size, method],
            )
            expected = resize(Image.fromarray(pixels), size, method)
            assert answer.encode("latin-1") == expected.tobytes(), (width, height, size)


def test_labels_and_table_are_those_of_predict(page, served, tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6
    first = decode(photo(1)).resize((90, 61))
    alpha = Image.linear_gradient("L").resize(first.size)
    contents = {
        f"{colour}.png": encode(Image.new("RGB", (50, 40), colour), "PNG") for colour in COLOURS
    }
    contents |= {f"{number}.jpg": photo(number) for number in range(8)}
    contents |= {
        "turned, grey.jpg": encode(first.convert("L"), exif=turned),
        "transparent.png": encode(Image.merge("RGBA", (*first.split(), alpha)), "PNG"),
        "large.jpg": encode(first.resize((4000, 3000))),
    }
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    photos = [tmp_path / name for name in contents]
    rows = label(page, photos)
    expected = [*predict_each(load_predictor(served), photos)]
    assert {row["label"] for row in expected} >= {"red", "blue", "unsure"}
    assert [row["label"] for row in rows] == [row["label"] for row in expected]
    for row, of_predict in zip(rows, expected):
        for name, value in of_predict["probabilities"].items():
            assert float(row[f"probability_{name}"]) == pytest.approx(value, abs=0.002)
        assert row["model"] == of_predict["model"]
        if Path(row["path"]).suffix == ".jpg":
            assert row["pixels_sha256"] == of_predict["pixels_sha256"]


def test_page_on_a_host_without_tls_labels_photos_without_their_hash(browser, file, tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(photo(0))
    with files_of(file.parent) as port:
        for page in loaded(browser, f"http://page.test:{port}/{file.name}"):
            assert page.evaluate("crypto.subtle") is None
            (row,) = label(page, [path])
            assert page.locator("#camera").is_hidden()
    assert row["label"] and not row["error"]
    assert row["pixels_sha256"] == ""


def test_javascript_in_docs_gives_nearly_the_probabilities_of_predict(
    browser, served, file, tmp_path
):
    text = (PROJECT / "docs/use.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```js\n(import.*?)```", text, re.DOTALL)
    script, _ = RUNTIME["runtime"]
    for name, _ in RUNTIME.values():
        shutil.copy(MIRROR / name, tmp_path)
    shutil.copy(served / "model.json", tmp_path)
    network = onnx_of(with_probabilities(colour_model(SIZE, 3)))
    (tmp_path / "model.onnx").write_bytes(network)
    photos = [tmp_path / f"{number}.png" for number in range(6)]
    for number, path in enumerate(photos):  # of one colour, because the canvas has another filter
        colour = 100 + 15 * np.eye(3, dtype=int)[number % 3] + number
        Image.new("RGB", (40 + number, 60), tuple(colour)).save(path)
    code = code.replace('"onnxruntime-web"', f'"./{script}"')
    expected = [*predict_each(load_predictor(served), photos)]
    (tmp_path / "index.html").write_text("<!doctype html><input type=file>", encoding="utf-8")
    head, _, last = code.strip().rpartition("\n")
    module = f"{head}\nwindow.probability = {last}"
    differences = []
    with files_of(tmp_path) as port, browser.new_context() as context:
        page = context.new_page()
        for path, of_predict in zip(photos, expected):
            page.goto(f"http://127.0.0.1:{port}/index.html")
            page.set_input_files("input", str(path))
            page.evaluate("window.photo = document.querySelector('input').files[0]")
            page.add_script_tag(content=module, type="module")
            page.wait_for_function("window.probability")
            found = page.evaluate("Array.from(window.probability)")
            known = [of_predict["probabilities"][label] for label in COLOURS]
            differences.append(np.abs(np.subtract(found, known)))
    assert np.mean(differences) < 0.02 and np.max(differences) < 0.1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_page_has_no_finding_of_axe_and_fits_its_screen(browser, file, tmp_path, scheme, width):
    paths = [tmp_path / f"a very long name of a photo {number}.jpg" for number in range(3)]
    for number, path in enumerate(paths):
        path.write_bytes(photo(number))
    size = {"width": width, "height": 800}
    for page in loaded(browser, file.as_uri(), viewport=size, color_scheme=scheme):
        label(page, paths)
        assert axe.Axe().run(page).response["violations"] == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
        page.locator("tbody button").first.focus()
        page.keyboard.press("ArrowDown")
        assert page.locator("#name").inner_text() == paths[1].name
        with page.expect_download() as download:
            page.get_by_role("button", name="Save as CSV").click()
        text = download.value.path().read_text(encoding="utf-8")
        assert len(text.splitlines()) == 4


def test_text_of_the_project_is_text_and_notices_are_there(page):
    assert page.locator("h1").inner_text() == NAME
    assert page.get_by_text(TEXT, exact=True).count()
    notices = page.locator("pre").text_content()
    assert "weights" in notices and "Copyright (c) Microsoft Corporation" in notices


def test_half_weights_take_half_of_the_bytes_and_give_nearly_the_same():
    keras.utils.set_random_seed(0)
    pixels = keras.Input((8, 8, 3), name="pixels")
    hidden = keras.layers.Dense(300, activation="relu")(keras.layers.Flatten()(pixels / 255))
    probability = keras.layers.Dense(1, activation="sigmoid", name="probability")(hidden)
    network = onnx_of(keras.Model(pixels, {"probability": probability}))
    half = with_half_weights(network)
    assert len(half) < 0.6 * len(network)
    batch = np.random.default_rng(0).uniform(0, 255, (4, 8, 8, 3)).astype(np.float32)
    first, second = (open_onnx(each)(batch)["probability"] for each in (network, half))
    assert 0 < np.abs(first - second).max() < 0.002

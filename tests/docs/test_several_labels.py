"""Test that the commands of docs/several-labels.md work and print what the photos determine."""

import io
import json

import pytest
from conftest import PROJECT, encode, succeed, write_files
from installed import NO_NETWORK, SMALL
from pages import follow, steps
from PIL import Image

from examples.demo import draw_picture

PAGE = (PROJECT / "docs" / "several-labels.md").read_text(encoding="utf-8")


@pytest.fixture
def landscapes(tmp_path) -> None:
    """Draw 80 photos, with one or both of two drawings side by side, and a table beside them."""
    files: dict[str, bytes | str] = {}
    rows = ["file,sea,sunset"]
    for kind, shown, photos in ("sea", "10", 30), ("sunset", "01", 30), ("both", "11", 20):
        for number in range(photos):
            name = f"{kind}_{number}.jpg"
            files[name] = side_by_side(len(rows) - 1, shown)
            rows.append(",".join([name, *shown]))
    write_files(tmp_path / "landscapes", files | {"truth.csv": "\n".join(rows)})


def side_by_side(number: int, shown: str) -> bytes:
    """Return a JPEG with a drawn cat, if the first digit is 1, and a dog, if the second is."""
    canvas = Image.new("RGB", (192, 96), "grey")
    for place, (label, digit) in enumerate(zip(("cat", "dog"), shown)):
        if digit == "1":
            drawn = Image.open(io.BytesIO(draw_picture(label, number + 1))).resize((96, 96))
            canvas.paste(drawn, (96 * ((place + number) % 2), 0))
    return encode(canvas)


@pytest.mark.slow
def test_every_command_works_and_an_export_names_the_same_labels(landscapes, tmp_path):
    away = {"KERAS_HOME": str(tmp_path / "keras")} | NO_NETWORK
    for command, lines, folder in follow(steps(PAGE), tmp_path, {"views": SMALL}):
        printed = succeed("sh", "-c", command, cwd=folder, **away).splitlines()
        if command.startswith("pawprint init"):
            assert printed[: len(lines)] == lines
        if command.startswith("pawprint predict"):  # the numbers depend on the network
            assert [*map(words, printed)] == [*map(words, lines)]
    listed = succeed("pawprint", "predict", "photos", "--format", "jsonl", cwd=folder, **away)
    labels = {row["path"]: row["label"] for row in map(json.loads, listed.splitlines())}
    assert {*labels.values()} >= {"sea", "sunset", "sea|sunset"}
    succeed("pawprint", "export", "--format", "onnx", cwd=folder, **away)
    script = (str(PROJECT / "examples" / "with_onnx.py"), "models/export/onnx")
    exported = succeed("python", *script, *labels, cwd=folder).splitlines()
    assert {path: label for path, label, _ in map(json.loads, exported)} == labels


def words(line: str) -> list[str]:
    return [word for word in line.split() if not word.endswith("%")]

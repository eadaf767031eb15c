"""Test that processes do not import what they do not need, because TensorFlow is slow."""

import shutil
import sys
import venv

import pytest

pytest.importorskip("onnx", reason="install the `export` extra")

from conftest import PROJECT, change, run, succeed
from dvc_yaml import STAGES
from onnx_files import IMAGES, MEANS, VECTOR, write

from pawprint.base import paths
from pawprint.base.files import digest


@pytest.mark.parametrize(
    ("stages", "slow"),
    [(STAGES, {"tensorflow", "keras"}), (["code"], {"pandas"}), (["split"], {"cv2"})],
)
def test_stages_import_nothing_slow_before_they_need_it(stages, slow):
    """`backbone` starts TensorFlow for most networks, as do the stages that train in epochs."""
    code = f"import sys, {', '.join(f'stages.{stage}' for stage in stages)}; print(*sys.modules)"
    assert slow.isdisjoint(succeed("python", "-c", code, cwd=PROJECT).split())


LITE = (
    "{weights: {source: imagenet, sha256: null}, model: {backbone: EfficientNetLite0, alpha: null,"
)
ONNX = "{weights: {source: a.onnx, sha256: HASH}, model: {backbone: onnx, alpha: null, "
ONNX += "onnx: {output: features, mean: [0, 0, 0], std: [1, 1, 1]},"


@pytest.mark.parametrize("network", [LITE, ONNX])
def test_backbone_starts_no_tensorflow_for_frozen_arrays_and_files(tmp_path, network):
    file = write(tmp_path / "a.onnx", IMAGES, VECTOR, MEANS)
    shutil.copy(PROJECT / "params.yaml", tmp_path)
    change(
        tmp_path, f"{network.replace('HASH', digest(file))} image_size: 32, fine_tune_at: null}}}}"
    )
    code = "import sys, stages.backbone as stage; stage.main(); print(*sys.modules)"
    *_, imported = succeed("python", "-c", code, cwd=tmp_path, PYTHONPATH=str(PROJECT)).splitlines()
    assert not {"tensorflow", "keras", "matplotlib", "sklearn"} & set(imported.split())
    assert (tmp_path / paths.EXTRACTOR).exists()


def test_openvino_reports_no_import_to_its_makers():
    code = "import sys, pawprint.commands.predict; print('openvino.tools.ovc' in sys.modules)"
    code += "; print(sys.modules['openvino_telemetry'])"
    assert succeed("python", "-c", code, cwd=PROJECT) == "True\nNone\n"


def test_command_runs_without_docstrings_or_says_what_needs_them():
    """`PYTHONOPTIMIZE=2` removes docstrings, and OpenVINO's converter reads its own."""
    export = ("python", "-m", "pawprint", "export")
    succeed(*export, "--help", cwd=PROJECT, PYTHONOPTIMIZE="2")
    result = run(*export, "--format", "keras", cwd=PROJECT, PYTHONOPTIMIZE="2")
    (line,) = result.stderr.splitlines()
    assert result.returncode == 1 and line.startswith("PYTHONOPTIMIZE: expected 0 or 1")


def test_python_without_the_packages_is_one_line_that_says_what_to_activate(tmp_path):
    venv.create(tmp_path / "empty", with_pip=False)
    python = tmp_path / "empty" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    result = run(str(python), "-m", "stages.fetch", cwd=PROJECT)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert "expected the packages of requirements.txt. Received: no pydantic" in line


def test_stage_starts_without_openvino_converter_but_may_import_it_later():
    code = "import sys; sys.argv = ['-m']; import stages.predict; print('openvino.tools.ovc' in "
    code += "sys.modules); from pawprint.pipeline.entry import end_imports; end_imports(); "
    code += "from openvino.tools.ovc import convert_model"
    assert succeed("python", "-c", code, cwd=PROJECT) == "False\n"

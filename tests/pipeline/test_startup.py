"""What a stage does not need it does not import: TensorFlow takes longer than many stages."""

import pytest
from conftest import PROJECT, run
from dvc_yaml import STAGES

SLOW = {"tensorflow", "keras", "openvino", "matplotlib", "pandas", "sklearn"}
# Of the stages that do without TensorFlow; the others import what they like.
NEEDED = {
    "fetch": {"pandas"},
    "clean": {"pandas"},
    "split": {"pandas"},
    "preview": {"matplotlib", "pandas"},
    "features": {"openvino", "pandas"},
    "calibrate": {"openvino", "pandas", "sklearn"},
    "evaluate": {"openvino", "pandas", "sklearn"},
    "train_extract": {"pandas", "sklearn"},  # and what trains in epochs, later
    "review": {"pandas"},
    "plot": {"matplotlib", "pandas"},
    "report": {"pandas"},
}
WITH_TENSORFLOW = {"backbone", "train_finetune"}


def test_every_stage_is_one_of_the_two_kinds():
    assert set(NEEDED) | WITH_TENSORFLOW == set(STAGES)


@pytest.mark.parametrize("module", ["pawprint.cli.predict", "stages.evaluate"])
def test_openvino_reports_no_import_to_its_makers(module):
    code = f"import sys, {module}; print([n for n in sys.modules if n == 'openvino.tools.ovc'])"
    code += "; print(sys.modules['openvino_telemetry'])"
    result = run("python", "-c", code, cwd=PROJECT)
    assert result.stdout == "['openvino.tools.ovc']\nNone\n", result.stderr


@pytest.mark.parametrize("stage", NEEDED)
def test_stage_imports_only_what_it_needs(stage):
    code = f"import sys, stages.{stage}; print(*sys.modules)"
    result = run("python", "-c", code, cwd=PROJECT)
    assert result.returncode == 0, result.stderr
    assert SLOW & set(result.stdout.split()) <= NEEDED[stage]

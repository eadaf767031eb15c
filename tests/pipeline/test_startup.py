"""What a stage does not need it does not import: TensorFlow takes longer than many stages."""

import pytest
from conftest import PROJECT, run
from dvc_yaml import STAGES

SLOW = {"tensorflow", "keras", "openvino", "matplotlib", "pandas", "sklearn"}
# What a stage needs of these, besides pandas; stages with TensorFlow import what they like.
NEEDED = {
    **{stage: set() for stage in ("code", "fetch", "clean", "split", "report")},
    **{stage: {"matplotlib"} for stage in ("preview", "plot")},
    "features": {"openvino"},
    **{stage: {"openvino", "sklearn"} for stage in ("calibrate", "evaluate")},
    "review": set(),
    "train_extract": {"sklearn"},  # and what trains in epochs, later
    **dict.fromkeys(("backbone", "train_finetune"), SLOW),
}


@pytest.mark.parametrize("stage", [stage for stage in STAGES if NEEDED[stage] != SLOW])
def test_stage_imports_only_what_it_needs(stage):
    code = f"import sys, stages.{stage}; print(*sys.modules)"
    result = run("python", "-c", code, cwd=PROJECT)
    assert result.returncode == 0, result.stderr
    assert SLOW & set(result.stdout.split()) <= NEEDED[stage] | {"pandas"}


@pytest.mark.parametrize("module", ["pawprint.cli.predict", "stages.evaluate"])
def test_openvino_reports_no_import_to_its_makers(module):
    code = f"import sys, {module}; print([n for n in sys.modules if n == 'openvino.tools.ovc'])"
    code += "; print(sys.modules['openvino_telemetry'])"
    result = run("python", "-c", code, cwd=PROJECT)
    assert result.stdout == "['openvino.tools.ovc']\nNone\n", result.stderr

"""What a stage does not need it does not import: TensorFlow takes longer than many stages."""

import pytest
from conftest import PROJECT, succeed
from dvc_yaml import STAGES

SLOW = {"tensorflow", "keras", "openvino", "matplotlib", "pandas", "sklearn"}
# Stages, and what they need of these, besides pandas.
NEEDED = [
    (("code", "fetch", "clean", "split", "review", "report"), set()),
    (("preview", "plot"), {"matplotlib"}),
    (("features",), {"openvino"}),
    (("calibrate", "evaluate"), {"openvino", "sklearn"}),
    (("train_extract",), {"sklearn"}),  # and what trains in epochs, later
]
WITH_TENSORFLOW = {"backbone", "train_finetune"}  # import what they like


@pytest.mark.parametrize(("stages", "needed"), NEEDED)
def test_stages_import_only_what_they_need(stages, needed):
    code = "; ".join(["import sys", *(f"import stages.{stage}" for stage in stages)])
    imported = succeed("python", "-c", f"{code}; print(*sys.modules)", cwd=PROJECT)
    assert SLOW & set(imported.split()) <= needed | {"pandas"}


def test_every_stage_is_tested():
    assert set(STAGES) == {*WITH_TENSORFLOW, *(each for stages, _ in NEEDED for each in stages)}


def test_openvino_reports_no_import_to_its_makers():
    code = "import sys, pawprint.cli.predict; print('openvino.tools.ovc' in sys.modules)"
    code += "; print(sys.modules['openvino_telemetry'])"
    assert succeed("python", "-c", code, cwd=PROJECT) == "True\nNone\n"

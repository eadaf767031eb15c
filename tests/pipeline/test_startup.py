"""What a stage does not need it does not import: TensorFlow takes longer than many stages."""

from conftest import PROJECT, succeed
from dvc_yaml import STAGES

WITH_TENSORFLOW = {"backbone", "train_finetune"}  # and `train_extract`, where it trains in epochs


def test_other_stages_import_no_tensorflow():
    stages = ", ".join(f"stages.{each}" for each in {*STAGES} - WITH_TENSORFLOW)
    code = f"import sys, {stages}; print(*sys.modules)"
    imported = succeed("python", "-c", code, cwd=PROJECT).split()
    assert not {"tensorflow", "keras"} & set(imported)


def test_openvino_reports_no_import_to_its_makers():
    code = "import sys, pawprint.cli.predict; print('openvino.tools.ovc' in sys.modules)"
    code += "; print(sys.modules['openvino_telemetry'])"
    assert succeed("python", "-c", code, cwd=PROJECT) == "True\nNone\n"

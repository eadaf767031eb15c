"""What a stage does not need it does not import: TensorFlow takes longer than many stages."""

import pytest
from conftest import PROJECT, run

# scikit-learn imports pandas where it is installed.
SLOW = {"tensorflow", "keras", "openvino", "matplotlib", "sklearn", "scipy", "pandas"}
NEEDED = {
    "fetch": set(),
    "fetch_weights": set(),
    "clean": {"scipy"},
    "split": {"scipy"},
    "preview": {"matplotlib"},
    "features": {"tensorflow", "keras", "openvino"},
    "train_extract": {"tensorflow", "keras"},
    "train_finetune": {"tensorflow", "keras"},
    "evaluate": {"openvino", "sklearn", "scipy", "pandas"},
    "calibrate": {"openvino", "scipy"},
    "review": {"sklearn", "scipy", "pandas"},
    "plot": {"matplotlib"},
    "card": set(),
    "report": set(),
}


@pytest.mark.parametrize("module", ["predict", "stages.features", "stages.evaluate"])
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

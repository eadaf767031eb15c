"""Read what dvc.yaml lists."""

from conftest import PROJECT
from ruamel.yaml import YAML

from pawprint.pipeline.params.model import Params, load_params

SOURCE = load_params(PROJECT / "params.yaml").fetch.source
TEXT = (PROJECT / "dvc.yaml").read_text(encoding="utf-8").replace("${fetch.source}", SOURCE)
STAGES = YAML(typ="safe").load(TEXT)["stages"]


def outputs_of(stage: dict) -> list[tuple[str, bool]]:
    """Return the path of each output, and whether it is in Git rather than in DVC's cache."""
    outputs = [out for kind in ("outs", "metrics", "plots") for out in stage.get(kind, [])]
    pairs = [(out, {}) if isinstance(out, str) else next(iter(out.items())) for out in outputs]
    return [(path, options.get("cache") is False) for path, options in pairs]


# The paths of each stage's outputs.
OUTPUTS = {name: {path for path, _ in outputs_of(stage)} for name, stage in STAGES.items()}


def params_of(stage: dict) -> set[str]:
    """Return the params of a stage, with sections split into keys: {"split.seed", …}."""
    keys = set()
    for name in stage.get("params", []):
        section, _, key = name.partition(".")
        fields = Params.model_fields[section].annotation.model_fields
        keys |= {name} if key else {f"{section}.{field}" for field in fields}
    return keys

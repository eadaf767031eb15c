"""Save the model in the formats that `export` asks for, for programs that do not read `.keras`.

Reads models/finetune.keras. Params: `export`. Writes models/export/: the names of the two classes,
the second of which is the one whose probability the model gives, and the model in each format.
Run: `python -m stages.export`
"""

import json
import zipfile
from pathlib import Path

from stages.shared import paths
from stages.shared.params import Export, load_params
from stages.shared.records import replacing, write_json


def export(params: Export, source: Path, target: Path) -> list[str]:
    """Write the folder `target` and return the names of the files in it."""
    with replacing(target) as folder:
        folder.mkdir()
        with zipfile.ZipFile(source) as archive:
            labels = json.loads(archive.read("metadata.json"))["labels"]
        write_json(folder / "labels.json", labels)
        if params.h5:
            # Only here is TensorFlow needed, which takes longer to start than this stage.
            from stages.shared.network import load_model, save_h5

            model, _ = load_model(source)
            save_h5(model, folder / f"{source.stem}.h5")
    return sorted(path.name for path in target.iterdir())


def main() -> None:
    params = load_params()
    names = export(params.export, paths.FINETUNE_MODEL, paths.EXPORT)
    print(f"export: {', '.join(names)}")


if __name__ == "__main__":
    main()

"""Save the model in the formats that `export` asks for, for programs that do not read `.keras`.

Reads models/finetune.keras. Params: `export`. Writes models/export/, empty if nothing is asked
for. Run: `python -m stages.export`
"""

from pathlib import Path

from stages.shared import paths
from stages.shared.params import Export, load_params
from stages.shared.records import replacing


def export(params: Export, source: Path, target: Path) -> list[str]:
    """Write the folder `target` and return the names of the files in it."""
    with replacing(target) as folder:
        folder.mkdir()
        if params.h5:
            # Only here is TensorFlow needed, which takes longer to start than this stage.
            from stages.shared.network import load_model, save_h5

            model, _ = load_model(source)
            save_h5(model, folder / f"{source.stem}.h5")
    return sorted(path.name for path in target.iterdir())


def main() -> None:
    params = load_params()
    names = export(params.export, paths.FINETUNE_MODEL, paths.EXPORT)
    print(f"export: {', '.join(names) or 'nothing asked for'}")


if __name__ == "__main__":
    main()

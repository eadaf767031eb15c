"""Write the files in tests/support/shipped/ with the tools that ship such files.

uv run --no-project --with datasets==5.2.0 --with label-studio-sdk==2.1.2 --with pillow==13.0.0 \
    python tests/support/shipped_forms.py

Each holds the four photos in shipped/photos/, of which the even ones are cats.
"""

import json
import shutil
from pathlib import Path

import datasets
import numpy as np
from label_studio_sdk.converter import Converter
from PIL import Image

FOLDER = Path(__file__).with_name("shipped")
CONFIG = """<View><Image name="image" value="$image"/><Choices name="choice" toName="image">
<Choice value="cat"/><Choice value="dog"/></Choices></View>"""


def annotation(label: str) -> dict:
    choices = {"type": "choices", "from_name": "choice", "to_name": "image"}
    result = [choices | {"value": {"choices": [label]}}]
    times = {"created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"}
    return {"id": 1, "completed_by": 1, "lead_time": 2.5, "result": result} | times


def main() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    (FOLDER / "photos").mkdir(parents=True)
    labels = ["cat", "dog"] * 2
    paths = [FOLDER / f"photos/{number}.jpg" for number in range(4)]
    for number, path in enumerate(paths):
        noise = np.random.default_rng(number).integers(0, 256, (4, 4, 3), np.uint8)
        Image.fromarray(noise).resize((16, 16), Image.Resampling.NEAREST).save(path)
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
    )
    columns = {"image": list(map(str, paths)), "label": [0, 1] * 2}
    images = datasets.Dataset.from_dict(columns, features=features)
    parts = {"train": images.select([0, 1]), "test": images.select([2, 3])}
    datasets.DatasetDict(parts).save_to_disk(FOLDER / "disk")
    for split, part in parts.items():
        # As `push_to_hub` does, which needs an account.
        arrow = part.with_format("arrow").map(datasets.table.embed_table_storage, batched=True)
        arrow.with_format(None).to_parquet(FOLDER / f"hub/data/{split}-00000-of-00001.parquet")
    tasks = [
        {
            "id": number,
            "data": {"image": f"/data/upload/1/0a1b2c3d-{path.name}"},
            "annotations": [annotation(label)],
        }
        for number, (path, label) in enumerate(zip(paths, labels))
    ]
    (FOLDER / "studio").mkdir()
    (FOLDER / "studio/tasks.json").write_text(json.dumps(tasks))
    converter = Converter(CONFIG, ".", download_resources=False)
    for convert, more in (
        (converter.convert_to_csv, {"sep": ","}),
        (converter.convert_to_json_min, {}),
    ):
        convert(str(FOLDER / "studio/tasks.json"), str(FOLDER / "studio"), is_dir=False, **more)


if __name__ == "__main__":
    main()

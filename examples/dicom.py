"""Write DICOM pictures as 16-bit PNG, and a table for `pawprint init` with the patient as `group`.

`pip install numpy pillow pydicom`; python dicom.py FOLDER NEW_FOLDER. Files must have a folder per
class. Grey values are as viewers show them: between the limits of the file's window, if it has one.
"""

import csv
import hashlib
import sys
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image
from pydicom.pixels import apply_modality_lut, apply_windowing


def grey(dataset: pydicom.Dataset) -> np.ndarray:
    """Return the picture, uint16 `(height, width)`. Raises ValueError for what is not one."""
    is_grey = dataset.PhotometricInterpretation.startswith("MONOCHROME")  # a palette is not
    if dataset.get("NumberOfFrames", 1) != 1 or not is_grey:
        raise ValueError("expected one grey frame")
    bits, is_signed = dataset.BitsStored, dataset.PixelRepresentation
    stored = np.array([-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] if is_signed else [0, 2**bits - 1])
    # The window below has the same limits. A negative slope reverses them.
    black, white = np.sort(apply_modality_lut(stored, dataset))
    values = apply_windowing(apply_modality_lut(dataset.pixel_array, dataset), dataset)
    fraction = (np.clip(values, black, white) - black) / (white - black)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        fraction = 1 - fraction
    return np.rint(fraction * 65535).astype(np.uint16)


folder, new = map(Path, sys.argv[1:])
new.mkdir()  # an existing folder is an error: nothing is overwritten
with (new / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
    table = csv.writer(file)
    table.writerow(["file_name", "label", "group"])
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        name = Path(f"{path.relative_to(folder)}.png")  # 1.2.840.1 has no suffix
        try:
            dataset = pydicom.dcmread(path)
            picture = grey(dataset)
        except Exception as error:  # pydicom's errors about a damaged file have no common class
            print(f"left out: {path}: {error}", file=sys.stderr)
            continue
        (new / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(new / name)
        # The table has no name or number of a patient.
        group = hashlib.sha256(str(dataset.get("PatientID") or path).encode()).hexdigest()[:16]
        table.writerow([name.as_posix(), path.parent.name, group])

"""Test examples/dicom.py with files that pydicom writes."""

import csv
from pathlib import Path

import numpy as np
import pytest
from conftest import PROJECT, pawprint, run, write_files
from PIL import Image

pydicom = pytest.importorskip("pydicom", reason="install the `dev` extra")
pytestmark = pytest.mark.slow
SCRIPT = str(PROJECT / "examples/dicom.py")


def write(path: Path, values, patient: str, bits: int = 16, **elements) -> None:
    """Write a DICOM file with one grey picture, uncompressed, as a scanner does."""
    dataset = pydicom.Dataset()
    dataset.PatientID, dataset.SOPClassUID = patient, pydicom.uid.CTImageStorage
    dataset.SOPInstanceUID = pydicom.uid.generate_uid()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.set_pixel_data(np.array(values), "MONOCHROME2", bits)
    for name, value in elements.items():
        setattr(dataset, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)


def grey(path: Path) -> list[int]:
    with Image.open(path) as image:
        return np.asarray(image).astype(np.uint16).ravel().tolist()


def test_grey_values_are_a_viewers_and_a_patient_is_a_group(tmp_path):
    scans = tmp_path / "scans"
    # Hounsfield units of air, and the window of soft tissue: black, its centre, white.
    window = {"RescaleSlope": 1, "RescaleIntercept": -1024, "WindowCenter": 40, "WindowWidth": 400}
    tissue = np.array([[0, 1064], [1264, 3000]], np.uint16)
    write(scans / "ill/1.2.840.1", tissue, "Jane Doe", 12, **window)
    write(scans / "well/1.2.840.2", tissue, "John Doe", 12)
    inverse = {"PhotometricInterpretation": "MONOCHROME1"}
    write(scans / "ill/1.2.840.3", np.array([[0, 4095]], np.uint16), "Jane Doe", 12, **inverse)
    signed = np.array([[-2048, 2047]], np.int16)
    write(scans / "well/1.2.840.4", signed, "John Doe", 12)
    palette = {"PhotometricInterpretation": "PALETTE COLOR"}  # of numbers of colours
    write(scans / "well/echo", tissue, "John Doe", **palette)
    falling = {"RescaleSlope": -1, "RescaleIntercept": 4095}
    write(scans / "ill/1.2.840.5", np.array([[0, 4095]], np.uint16), "Jane Doe", 12, **falling)
    write(scans / "well/film", np.zeros((2, 4, 4), np.uint16), "John Doe")
    write_files(scans, {"well/DICOMDIR.txt": "no DICOM"})
    result = run("python", SCRIPT, "scans", "pngs", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    left_out = [line.split(": ")[1] for line in result.stderr.splitlines()]
    assert left_out == ["scans/well/DICOMDIR.txt", "scans/well/echo", "scans/well/film"]
    pngs = tmp_path / "pngs"
    low, centre, high, white = grey(pngs / "ill/1.2.840.1.png")
    assert (low, high, white) == (0, 65535, 65535) and abs(centre - 32768) < 200
    assert grey(pngs / "well/1.2.840.2.png") == [round(v / 4095 * 65535) for v in tissue.ravel()]
    assert grey(pngs / "ill/1.2.840.3.png") == [65535, 0]
    assert grey(pngs / "well/1.2.840.4.png") == [0, 65535]
    assert grey(pngs / "ill/1.2.840.5.png") == [65535, 0]
    text = (pngs / "metadata.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert [row["label"] for row in rows] == ["ill", "ill", "ill", "well", "well"]
    jane, same, too, john, also = (row["group"] for row in rows)
    assert jane == same == too != john == also and "Doe" not in text
    assert "ill (3), well (2)" in pawprint(tmp_path, "init", "lungs", "--images", "pngs").stdout

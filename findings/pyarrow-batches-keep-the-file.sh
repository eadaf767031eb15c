#!/usr/bin/env bash
# Surprise: ParquetFile.iter_batches, which reads a file batch by batch, keeps all of the file that it has read.
# Guess: memory is bounded by a row group or so, however large the file is.
# Seen with pyarrow 26.0.1: after a file of 40 row groups of 5 MB, 200 MB are still allocated before the iterator ends,
# although no batch is referenced. The reason is `pre_buffer=True`, the default of ParquetFile; with False, it is at
# most a few row groups.
# Matters to: whoever streams images from Parquet for training, or converts a data set of Hugging Face: a file that is
# larger than the memory ends the program, on a loop that looks safe.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pyarrow==26.0.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import os

import pyarrow as pa
import pyarrow.parquet as pq

schema = pa.schema([("image", pa.binary())])
with pq.ParquetWriter("a.parquet", schema, compression="none") as writer:
    for _ in range(40):  # a row group each
        writer.write_table(pa.table({"image": [os.urandom(50_000) for _ in range(100)]}, schema))
largest = pq.read_metadata("a.parquet").row_group(0).total_byte_size / 1e6


def peak(**options: bool) -> float:
    """Return the largest number of MB allocated by pyarrow while a file is read in batches of 10 rows."""
    return max(pa.total_allocated_bytes() / 1e6 for _ in pq.ParquetFile("a.parquet", **options).iter_batches(10))


default, without = peak(), peak(pre_buffer=False)
print(f"pyarrow {pa.__version__}: file {os.path.getsize('a.parquet') / 1e6:.0f} MB, row group {largest:.0f} MB")
print(f"allocated at most: {default:.0f} MB by default, {without:.0f} MB with pre_buffer=False")
raise SystemExit(0 if default > 150 and without < 50 else 1)
PYTHON

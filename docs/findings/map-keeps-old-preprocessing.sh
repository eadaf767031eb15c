#!/usr/bin/env bash
# Surprise: `map` returns the features of the old preprocessing after the function has been changed, if
# the function, or one that it calls, is in a module of its own.
# Guess: results are computed again when the code changes: the cache compares a hash of the function.
# Seen with datasets 5.2.0: of functions in the script itself, the code is part of the hash, of imported
# ones only the name. After an edit of the module, a new process prints the old numbers, and the same
# edit in the script is noticed. Deleting the cache, or `load_from_cache_file=False`, helps.
# Why it matters: preprocessing moves into a module when a notebook becomes a project. A corrected scale
# or size is then trained and measured with the pixels from before, so the correction seems useless.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check datasets==5.2.0
cd "$folder"
export HF_HOME="$folder" HF_HUB_OFFLINE=1 HF_DATASETS_DISABLE_PROGRESS_BARS=1 PYTHONDONTWRITEBYTECODE=1
printf 'pixel\n0\n255\n' > photos.csv
cat > imported.py <<'PYTHON'
import preparation
from datasets import load_dataset

print(load_dataset("csv", data_files="photos.csv", split="train").map(preparation.scale)["x"][:])
PYTHON
cat > called.py <<'PYTHON'
import preparation
from datasets import load_dataset


def prepare(photo):
    return preparation.scale(photo)


print(load_dataset("csv", data_files="photos.csv", split="train").map(prepare)["x"][:])
PYTHON
cat > inside.py <<'PYTHON'
from datasets import load_dataset


def scale(photo):
    return {"x": photo["pixel"] / 255}


print(load_dataset("csv", data_files="photos.csv", split="train").map(scale)["x"][:])
PYTHON
printf 'def scale(photo):\n    return {"x": photo["pixel"] / 255}\n' > preparation.py
for script in imported called inside; do
  venv/bin/python $script.py > $script.before
done
sed -i 's|/ 255|/ 127.5 - 1|' preparation.py inside.py
for script in imported called inside; do
  venv/bin/python $script.py > $script.after
  echo "$script: $(cat $script.before) before the edit, $(cat $script.after) after it"
  [ "$(cat $script.before)" = "[0.0, 1.0]" ]
done
[ "$(cat inside.after)" = "[-1.0, 1.0]" ]
[ "$(cat imported.after)" = "[0.0, 1.0]" ]
[ "$(cat called.after)" = "[0.0, 1.0]" ]
[ "$(venv/bin/python -c 'import preparation; print(preparation.scale({"pixel": 0}))')" = "{'x': -1.0}" ]

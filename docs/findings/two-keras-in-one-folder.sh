#!/usr/bin/env bash
# Surprise: TensorFlow 2.22.0rc0, the first with wheels for Python 3.14, needs keras-nightly, which
# has the same folder `keras` as the package keras. Both can be installed at once, and pip does not
# mention it: one overwrites files of the other, and removing one removes the files of both.
# Guess: `keras.__version__` is the version that `pip list` shows for keras, 3.15.1.
# Seen with pip 26.0, keras 3.15.1 and keras-nightly 3.16.0.dev2026102704: it is the version of the
# one that was installed last, `pip check` finds nothing, and after `pip uninstall keras-nightly`,
# `pip list` shows keras 3.15.1, but `import keras` finds no Keras.
# Why it matters: a lock with `keras==3.15.1` trains with another Keras, depending on the order of
# installation, and whoever tidies up has none.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip() { "$folder/venv/bin/python" -m pip --disable-pip-version-check "$@"; }
version() { sed -n 's/^__version__ = "\(.*\)"/\1/p' "$folder"/venv/lib/python*/site-packages/keras/src/version.py; }

pip install --quiet pip==26.0 uv==0.9.17
echo tensorflow==2.22.0rc0 | "$folder/venv/bin/uv" pip compile --quiet --no-annotate --no-header \
  --python-version 3.13 - | grep -E '^keras' | tee "$folder/needed"
grep -q '^keras-nightly==' "$folder/needed"
pip install --quiet --no-deps keras==3.15.1
pip install --quiet --no-deps keras-nightly==3.16.0.dev2026102704
echo "after keras-nightly: $(version)"
test "$(version)" = 3.16.0.dev2026102704
pip install --quiet --no-deps --force-reinstall keras==3.15.1
echo "after keras again: $(version)"
test "$(version)" = 3.15.1
pip check 2>&1 | grep -v requires | grep -i nightly && exit 1
pip uninstall --quiet --yes keras-nightly
pip list | grep '^keras '
"$folder/venv/bin/python" - <<'PYTHON'
import importlib.metadata
import importlib.util

print("installed:", importlib.metadata.version("keras"))
found = importlib.util.find_spec("keras")
print("modules:", found and found.origin)
raise SystemExit(found is not None and found.origin is not None)
PYTHON

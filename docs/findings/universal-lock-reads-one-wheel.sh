#!/usr/bin/env bash
# Surprise: a universal lock of uv can hold a version that no wheel for that Python accepts. The
# wheels of TensorFlow 2.22.0rc0 for Python 3.11 need h5py below 3.15, and those for 3.14 need 3.15.1,
# but uv reads the requirements of one wheel and takes them for all.
# Guess: `uv pip compile --universal` writes two lines of h5py, with markers, or fails.
# Seen with uv 0.9.17: it writes `h5py==3.14.0` for every Python, without a warning. For Python 3.14
# alone, it writes 3.15.1, and refuses 3.14.0, of which there is no wheel for Python 3.14.
# Why it matters: the lock of a team that trains on Linux with 3.11 passes all tests, and a colleague
# with 3.14 cannot install it. An override with markers (`--override`) for h5py writes both lines.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check uv==0.9.17
h5py() { # of the lock of these requirements, with these options
  "$folder/venv/bin/uv" pip compile --quiet --no-annotate --no-header "$@" - | grep '^h5py'
}
tensorflow='tensorflow==2.22.0rc0'

universal=$(echo "$tensorflow" | h5py --universal --python-version 3.11)
newest=$(echo "$tensorflow" | h5py --python-version 3.14)
echo "universal: $universal"
echo "Python 3.14 alone: $newest"
test "$universal" = h5py==3.14.0
test "$newest" = h5py==3.15.1
if printf '%s\n' "$tensorflow" "$universal" | h5py --python-version 3.14 2> "$folder/reason"; then
  exit 1
fi
grep -o 'depends on h5py[^ ]*' "$folder/reason" | head -1

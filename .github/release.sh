#!/usr/bin/env bash
# Build the files of a release in dist/. Before that, what a user does works with the wheel alone, in
# an environment of its own: make a project, train it and label new photos.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

rm -rf dist
python3 -m venv "$folder/build"
"$folder/build/bin/pip" install --quiet build
"$folder/build/bin/python" -m build # the wheel from the sdist

python3 -m venv "$folder/venv"
. "$folder/venv/bin/activate"
pip install --quiet dist/*.whl
cp examples/demo.py "$folder"
cd "$folder"
python demo.py given
pawprint init food --images given/photos
cd food
dvc repro
pawprint predict ../given/new

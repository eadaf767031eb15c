#!/usr/bin/env bash
# What a team does with DVC: push, clone, pull, an experiment, an import. Run it anywhere, in an
# environment with Pawprint: `bash .github/dvc.sh`. It ends with the versions that it ran with.
set -euo pipefail
shopt -s inherit_errexit

root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export GIT_AUTHOR_NAME=Nightly GIT_AUTHOR_EMAIL=nightly@example.org
export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL

# An ssh server as strict as Bitbucket: the path of the repository must be in quotes.
mkdir bin
cat > bin/ssh <<'SSH'
#!/bin/sh
for command; do :; done
case "$command" in *"'"*) exec sh -c "$command" ;; esac
exit 1
SSH
chmod +x bin/ssh
export PATH="$work/bin:$PATH" GIT_SSH_COMMAND=ssh

python "$root/examples/demo.py" given
pawprint init food --images given/photos
cd food
dvc remote add --default storage "$work/storage"
dvc remote modify storage verify true
dvc repro
git add .
git commit -qm "Classify food"
dvc push
git clone -q . ../colleague

cd ../colleague
dvc pull
pawprint check
dvc exp run --temp --name lower -S calibrate.unknown_quantile=0.99
pawprint compare HEAD lower

mkdir ../importing
cd ../importing
git init -q
dvc init -q
dvc import "ssh://git@localhost$work/food" photos
cmp photos/burger/0001.jpg ../given/photos/burger/0001.jpg
dvc update photos.dvc

pip list | grep -iE '^(dulwich|dvc|fsspec|scmrepo)'

#!/usr/bin/env bash
# Surprise: `dvc push --all-commits` leaves out the photos of commits that are older than the remote, says
# how many files it pushed, and exits with status 0. After `dvc gc --workspace`, they are nowhere.
# Guess: it sends the files of all commits to the remote that is configured now.
# Seen with DVC 3.67.1: it reads the remote from each commit's own `.dvc/config`, and a commit without one
# has nowhere to push. A remote in the user's configuration (`dvc remote add --global`), named with
# `-r`, is there for all commits, and gets all files.
# Why it matters: the remote is often added once the first results are worth sharing. A deleted or
# corrected photo of an earlier data set cannot be restored, so its results cannot be repeated.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dvc==3.67.1
export PATH="$folder/venv/bin:$PATH" DVC_NO_ANALYTICS=1 DVC_SITE_CACHE_DIR="$folder/site"
export DVC_GLOBAL_CONFIG_DIR="$folder/global" GIT_CONFIG_GLOBAL="$folder/gitconfig"
git config --global user.email author@example.org
git config --global user.name Author

# Two photos, of which the second commit has one. Then the remote is added.
project() {
  mkdir -p "$folder/$1/photos"
  cd "$folder/$1"
  git init -q
  dvc init -q
  echo one > photos/1.jpg
  echo two > photos/2.jpg
  dvc add -q photos
  git add .
  git commit -qm "Two photos"
  rm photos/1.jpg
  dvc add -q photos
  git commit -qam "One photo less"
  dvc remote add -q -d storage "$folder/remote-$1"
  git commit -qam "A remote"
}

stored() { find "$folder/remote-$1" -type f | wc -l; }

project own
dvc push --all-commits
echo "remote in the project: $(stored own) of 4 files"
test "$(stored own)" -eq 2
dvc gc --quiet --workspace --force
git checkout -q HEAD~2
if dvc checkout --quiet; then exit 1; else echo "the first photos cannot be restored"; fi

project global
dvc remote add -q --global everywhere "$folder/remote-global"
dvc push --all-commits -r everywhere
echo "remote of the user: $(stored global) of 4 files"
test "$(stored global)" -eq 4

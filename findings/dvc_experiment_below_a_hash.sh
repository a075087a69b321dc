#!/usr/bin/env bash
# Where the path of a project has a "#", as in courses/C#/, `dvc exp run --temp` ends in an "unexpected error": it found
# no git repository at the path up to the "#". DVC gives the repository in which the experiment is to run to its git
# library as a URL, "file://" and the path as it is, of which "#" begins the fragment. A space does no harm, and without
# --temp an experiment runs.
#
# Seen with DVC 3.67.1, scmrepo 3.6.2, dulwich 1.2.21 (Debian 12, Python 3.11):
#     a b: code 0
#     a#b: code 255, No git repository was found at .../a
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet dvc==3.67.1 scmrepo==3.6.2 dulwich==1.2.21 pygit2==1.21.0
export PATH="$folder/venv/bin:$PATH" DVC_SITE_CACHE_DIR="$folder/site" DVC_NO_ANALYTICS=1

run() { # NAME OF THE FOLDER
    git init --quiet "$folder/$1"
    cd "$folder/$1"
    git config user.name Test
    git config user.email test@example.org
    dvc init --quiet
    echo "number: 1" >params.yaml
    cat >dvc.yaml <<'YAML'
stages:
  copy:
    cmd: cp params.yaml out
    params: [number]
    outs: [{out: {cache: false}}]
YAML
    git add --all
    git commit --quiet --message=first
    code=0
    dvc exp run --temp --set-param number=2 >"$folder/log" 2>&1 || code=$?
    reason=$(sed -n "s|.*\(No git repository was found at\) $folder|, \1 ...|p" "$folder/log")
    echo "$1: code $code$reason"
}

found=$(run "a b"; run "a#b")
echo "$found"
expected="a b: code 0
a#b: code 255, No git repository was found at .../a"
[ "$found" = "$expected" ] || { echo "no longer so"; exit 1; }

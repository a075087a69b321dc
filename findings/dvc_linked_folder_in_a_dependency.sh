#!/usr/bin/env bash
# A stage depends on a folder. Behind a linked file in it, DVC sees what changes; behind a linked folder, it does not:
# of that, nothing is hashed, neither names nor contents, and no word is said. So pictures that are kept elsewhere and
# linked in by their folder can be added, changed and removed, and `dvc repro` runs nothing. A stage that reads the
# folder with os.walk or Path.rglob misses them too (neither follows such links unless told to), one that uses
# glob.glob does not.
#
# Seen with DVC 3.67.1, dvc-data 3.18.3 (Debian 12, Python 3.11):
#     linked file changed: data changed
#     file behind a linked folder changed: up to date
#     file behind a linked folder added: up to date
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet dvc==3.67.1 dvc-data==3.18.3
export PATH="$folder/venv/bin:$PATH" DVC_SITE_CACHE_DIR="$folder/site" DVC_NO_ANALYTICS=1

mkdir project elsewhere && cd project
git init --quiet
dvc init --quiet
mkdir data
echo one >../elsewhere/one
echo two >../two
ln -s ../../two data/two
ln -s ../../elsewhere data/linked
cat >dvc.yaml <<'YAML'
stages:
  count:
    cmd: ls data | wc -l >count
    deps: [data]
    outs: [{count: {cache: false}}]
YAML
dvc repro --quiet

status() { dvc status --json | grep -q modified && echo "data changed" || echo "up to date"; }
found=$(
    echo TWO >../two && echo "linked file changed: $(status)" && echo two >../two
    echo ONE >../elsewhere/one && echo "file behind a linked folder changed: $(status)"
    echo new >../elsewhere/new && echo "file behind a linked folder added: $(status)"
)
echo "$found"
expected="linked file changed: data changed
file behind a linked folder changed: up to date
file behind a linked folder added: up to date"
[ "$found" = "$expected" ] || { echo "no longer so"; exit 1; }

#!/usr/bin/env bash
# In a clone of depth 1, `dvc exp run --temp` runs its stages, commits the experiment in a repository of its own, and
# does not bring it back. It ends with code 0 and no message, only without the line "Ran experiment(s): NAME"; DVC
# removes that repository, and the results with it. In a clone of depth 2 all is well, as is `dvc exp run` without
# --temp. Many CI services clone with depth 1.
#
# Seen with DVC 3.67.1, dulwich 1.2.21, pygit2 1.21.0, git 2.39.5 (Debian 12, Python 3.11):
#     depth 1: code 0, experiments: none
#     depth 2: code 0, experiments: mine
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet dvc==3.67.1 scmrepo==3.6.2 dulwich==1.2.21 pygit2==1.21.0
export PATH="$folder/venv/bin:$PATH" DVC_SITE_CACHE_DIR="$folder/site" DVC_NO_ANALYTICS=1
export GIT_AUTHOR_NAME=Test GIT_AUTHOR_EMAIL=test@example.org
export GIT_COMMITTER_NAME=Test GIT_COMMITTER_EMAIL=test@example.org

git init --quiet repository
cd repository
dvc init --quiet
cat >dvc.yaml <<'YAML'
stages:
  copy:
    cmd: cp params.yaml out
    params: [number]
    outs: [{out: {cache: false}}]
YAML
for number in 1 2; do
    echo "number: $number" >params.yaml
    git add --all
    git commit --quiet --message="$number"
done

experiments() { # DEPTH
    git clone --quiet --depth "$1" "file://$folder/repository" "$folder/depth$1"
    cd "$folder/depth$1"
    git config user.name Test
    git config user.email test@example.org
    dvc exp run --temp --name mine --set-param number=3 >run.log 2>&1 || { cat run.log; return 1; }
    git for-each-ref --format='%(refname:lstrip=4)' 'refs/exps/??/*/*'
}

for expected in 1: 2:mine; do
    depth=${expected%:*}
    found=$(experiments "$depth")
    echo "depth $depth: code 0, experiments: ${found:-none}"
    [ "$depth:$found" = "$expected" ] || { echo "no longer so"; exit 1; }
done

# make repro    set up and run the pipeline: dvc repro
# make app      set up, and serve a page on which to try digits of your own
# make notebook set up, and open notebooks/explore.ipynb in JupyterLab
# make test     set up and run the tests; make test-fast, those without a pipeline or a browser; make test-all,
#               also those that guard against other people's releases, as the code host does every night
# make lint     check the style of the code, and the workflows
# make review   what the results differ in from BASE, a revision: review/summary.md, review/figures/
# make lock     renew requirements*.txt from requirements*.in (needs uv)
# make clean    remove the environment and the data; results stay in git and in DVC's cache

PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
INSTALL := python -m pip install -qq --disable-pip-version-check --compile --requirement
AT_ONCE := --numprocesses 2 --dist loadfile --no-loadscope-reorder # two files of tests, the longest first
LOCK := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --custom-compile-command "make lock" --quiet

repro: .venv/installed
	@dvc repro

app: .venv/installed-app
	@python app.py

notebook: .venv/installed-notebook
	@jupyter lab notebooks/explore.ipynb

test: .venv/installed-app .venv/installed-sweep .venv/installed-formats .venv/installed-notebook
	pytest $(AT_ONCE)

test-fast: .venv/installed
	pytest $(AT_ONCE) -m "not slow"

test-all: .venv/installed-app .venv/installed-sweep .venv/installed-formats .venv/installed-notebook
	pytest $(AT_ONCE) --every

lint: .venv/installed
	ruff check .
	ruff format --check .
	check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

BASE ?= main
review: .venv/installed
	@rm -rf review && mkdir -p review/figures
	@(dvc metrics diff --md $(BASE) HEAD && python -m scripts.compare --md $(BASE) HEAD) > review/summary.md
	@git diff --relative --name-only --diff-filter=d $(BASE) HEAD -- '*.png' | tar -cf - -T - | tar -xf - -C review/figures

.venv/installed: requirements.txt
	@$(PYTHON) -c 'import sys; (3, 11) <= sys.version_info < (3, 14) or sys.exit("Python 3.11, 3.12 or 3.13 is needed, found " + sys.version.split()[0] + "; name one, as in: make repro PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	@echo "Installing the pinned packages into .venv (600 MB to fetch, a few minutes, once) ..."
	@$(INSTALL) requirements.txt
	@touch $@

.venv/installed-%: .venv/installed requirements-%.txt
	@echo "Installing requirements-$*.txt into .venv (once) ..."
	@$(INSTALL) requirements-$*.txt
	@touch $@

lock:
	$(LOCK) --output-file requirements.txt requirements.in
	$(LOCK) --output-file requirements-app.txt requirements-app.in
	$(LOCK) --output-file requirements-sweep.txt requirements-sweep.in
	$(LOCK) --output-file requirements-formats.txt requirements-formats.in
	$(LOCK) --output-file requirements-notebook.txt requirements-notebook.in

clean:
	rm -rf .venv data/raw data/perturbed models/checkpoint.keras dvc_plots review

.PHONY: repro app notebook test test-fast test-all lint review lock clean

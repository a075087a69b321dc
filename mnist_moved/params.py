"""The schema of params.yaml: every key, its type and what it may be. Load it with `load_params()`.

The whole file is checked before a stage works, so that a typing mistake costs a second, not a training; all
but the name of the network, which takes TensorFlow to know, and which training checks first.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, model_validator
from ruamel.yaml import YAML, YAMLError

from mnist_moved.command import UserError
from mnist_moved.data.datasets import BOX, CANVAS, DATASETS, MNIST, Known, Source
from mnist_moved.data.idx import CLASSES
from mnist_moved.data.test_sets import CLEAN, HEADLINE, SCIKIT_LEARN
from mnist_moved.paths import OWN, PARAMS
from mnist_moved.perturbations import PERTURBATIONS, ranges


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


class SourceEntry(Section):
    """What may be named of a `Source`: a url, or a folder, or a package and its sha256."""

    url: Annotated[str, Field(pattern=r"^https?://.+")] = ""
    folder: Annotated[str, Field(min_length=1)] = ""
    package: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+==[A-Za-z0-9.]+$")] = ""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] = ""

    @model_validator(mode="after")
    def _is_one(self) -> "SourceEntry":
        if self.model_fields_set not in ({"url"}, {"folder"}, {"package", "sha256"}):
            found = ", ".join(sorted(self.model_fields_set)) or "nothing"
            raise ValueError(f"keys: got {found}; allowed: url, or folder, or package and sha256")
        return self


class ExternalData(Section):
    """A file or a folder of arrays, where its labels are, and how it is laid out; None: to be found out."""

    source: Annotated[str, Field(min_length=1)]
    labels: Annotated[str, Field(min_length=1)] | None = None
    levels: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    inverted: bool | None = None
    transposed: bool | None = None
    fit: Literal[BOX, CANVAS] | None = None

    @model_validator(mode="after")
    def _levels_differ(self) -> "ExternalData":
        if self.levels and self.levels[0] == self.levels[1]:
            raise ValueError(f"levels: got {self.levels}; allowed: two that differ")
        return self


class ExternalSet(ExternalData):
    """A test set that is no part of the data set."""

    split: Literal["train", "test"] = "test"


class OwnDataset(ExternalData):
    """A data set of the user's own, to train and to test on."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    classes: Annotated[list[str], Field(min_length=CLASSES, max_length=CLASSES)] = list(MNIST.classes)

    @model_validator(mode="after")
    def _names_are_free(self) -> "OwnDataset":
        if self.name in DATASETS:
            raise ValueError(f"name: got {self.name}, which is taken; allowed: any other")
        if len({*self.classes}) < CLASSES:
            raise ValueError("classes: got a name twice; allowed: each once")
        return self


class Download(Section):
    dataset: str | dict[str, Any]
    sources: dict[Literal[tuple(DATASETS)], Annotated[list[SourceEntry], Field(min_length=1)]]
    timeout_seconds: Annotated[float, Field(gt=0, le=3600)]

    @property
    def own(self) -> OwnDataset | None:
        """The data set that is chosen, if it is the user's own."""
        return OwnDataset.model_validate(self.dataset) if isinstance(self.dataset, dict) else None

    def known(self) -> tuple[Known, list[Source]]:
        """The data set that is chosen, if it is a known one, and where its files come from."""
        return DATASETS[self.dataset], [Source(**each.model_dump()) for each in self.sources[self.dataset]]


class Perturb(Section):
    seed: Annotated[int, Field(ge=0)]
    test_sets: dict[Annotated[str, Field(pattern=r"^[a-z0-9_]+$")], dict[str, Any]]
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
        """The part of the augmentation that perturbs any digits: none if it is off."""
        augmentation = self.augmentation if self.augment else {}
        return {name: options for name, options in augmentation.items() if options["probability"]}


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


def load_params(path: str | Path = PARAMS) -> Params:
    """Read and check the whole of params.yaml.

    Raises UserError naming the wrong keys of every section, or else the first wrong test set, curve or
    augmentation; what it got and what is allowed.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path} not found: run this from the top folder of the project") from None
    except ValueError as error:
        raise UserError(f"{path} is not valid YAML: {error}") from None
    params = validate(Params, parse_yaml(text, path), path)
    _check_dataset(params.download, f"{path}: download.dataset")
    headline = params.perturb.test_sets.get(HEADLINE, {})
    if headline.get("perturbation") != "reposition":
        raise UserError(
            f"{path}: perturb.test_sets.{HEADLINE}: expected this test set, with perturbation: reposition"
        )
    for name, options in params.perturb.test_sets.items():
        where = f"{path}: perturb.test_sets.{name}"
        if name == CLEAN:
            raise UserError(f"{where}: this name is taken; allowed: any other")
        if "source" in options:
            _check_source(options, where)
        else:
            perturbation = options.get("perturbation")
            strengths = _strengths(perturbation, f"{where}: perturbation: got {perturbation!r}")
            _check(options, where, perturbation=(str, ...), **_optional(strengths))
    for perturbation, curve in params.perturb.curves.items():
        _check_curve(perturbation, curve, f"{path}: perturb.curves.{perturbation}")
    for perturbation, options in params.train.augmentation.items():
        _check_augmentation(perturbation, options, f"{path}: train.augmentation.{perturbation}")
    total = sum(options["probability"] for options in params.train.augmentation.values())
    if total > 1 + 1e-9:
        raise UserError(
            f"{path}: train.augmentation: the probabilities add up to {total:g}; allowed: at most 1, because"
            " a digit is perturbed once at most"
        )
    return params


def parse_yaml(text: str, where: object) -> Any:
    """Read YAML 1.2, as DVC does: PyYAML reads 1.1, where 1e-3 is a word."""
    try:
        return YAML(typ="safe", pure=True).load(text)
    # Beside YAMLError: what a date, a number or a depth raises that cannot be.
    except (YAMLError, ValueError, LookupError, RecursionError) as error:
        raise UserError(f"{where} is not valid YAML: {error}") from None


def _check_dataset(download: Download, where: str) -> None:
    """One whose sources are named, or {name: ..., source: ..., classes: [...]}, one of the user's own."""
    if isinstance(download.dataset, dict):
        validate(OwnDataset, download.dataset, where)
    elif download.dataset not in download.sources:
        allowed = f"{', '.join(download.sources)}, or {{name: ..., source: PATH, classes: [...]}}"
        raise UserError(f"{where}: got {download.dataset!r}; allowed: {allowed}")


def _check_source(options: dict[str, Any], where: str) -> None:
    """{source: scikit-learn}, or data/own, or what is in it: DVC would not see a change elsewhere."""
    validate(ExternalSet, options, where)
    for key in options.keys() & {"source", "labels"} if options["source"] != SCIKIT_LEARN else ():
        if ".." in options[key] or not Path(options[key]).is_relative_to(OWN):
            allowed = f"{SCIKIT_LEARN}, {OWN}, or a file or folder in it"
            raise UserError(f"{where}: {key}: got {options[key]!r}; allowed: {allowed}")


def _check_curve(perturbation: str, curve: dict[str, Any], where: str) -> None:
    """{degrees: [0, 15, 30]}: one strength of the perturbation, at two values or more."""
    strengths = _strengths(perturbation, f"{where}: unknown perturbation")
    values = {name: Annotated[list[number], Field(min_length=2)] for name, number in strengths.items()}
    _check(curve, where, **_optional(values))
    if len(curve) != 1:
        found = ", ".join(curve) or "nothing"
        raise UserError(f"{where}: got {found}; allowed: one of {', '.join(strengths)}")
    [(name, values)] = curve.items()
    steps = np.sign(np.diff(values))
    if steps[0] == 0 or (steps != steps[0]).any():
        raise UserError(
            f"{where}.{name}: got {values}; allowed: each value once, in order, the mildest first"
        )


def _check_augmentation(perturbation: str, options: dict[str, Any], where: str) -> None:
    """{probability: 0.5, degrees: [0, 30]}: each strength is drawn between its two bounds."""
    strengths = _strengths(perturbation, f"{where}: unknown perturbation")
    bounds = {
        name: Annotated[list[number], Field(min_length=2, max_length=2)] for name, number in strengths.items()
    }
    probability = Annotated[float, Field(ge=0, le=1)]
    _check(options, where, probability=(probability, ...), **_optional(bounds))
    for name in options.keys() - {"probability"}:
        low, high = options[name]
        if low > high:
            raise UserError(f"{where}.{name}: got [{low}, {high}]; allowed: the lower bound first")


def _strengths(perturbation: Any, wrong: str) -> dict[str, Any]:
    """The type and range of each strength; a UserError that begins with `wrong` if there is no such
    perturbation."""
    if not isinstance(perturbation, str) or perturbation not in PERTURBATIONS:
        raise UserError(f"{wrong}; allowed: {', '.join(PERTURBATIONS)}")
    return {
        name: Annotated[float, Field(ge=span.low, le=span.high)]
        for name, span in ranges(perturbation).items()
    }


def _optional(types: dict[str, Any]) -> dict[str, Any]:
    return {name: (each, None) for name, each in types.items()}


def _check(options: dict[str, Any], where: str, **fields: Any) -> None:
    """Check a part of params.yaml whose keys depend on what it names; fields: NAME=(type, default)."""
    validate(create_model("Options", __base__=Section, **fields), options, where)


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
        message = error["msg"].removeprefix("Value error, ")
        return f"{key}.{message}" if key else message
    allowed = error["msg"].removeprefix("Input should be ")
    return f"{key or 'top level'}: got {error['input']!r}; allowed: {allowed}"

"""What a sweep tries: settings, each a list of overrides of params.yaml, and each with several seeds."""

import hashlib
import itertools
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

from dvc.exceptions import DvcException
from dvc.utils.cli_parse import to_path_overrides
from dvc.utils.hydra import apply_overrides, get_hydra_sweeps
from hydra.errors import HydraException
from pydantic import Field

from mnist_moved.command import UserError
from mnist_moved.params import Params, Section, load_params, parse_yaml, validate
from mnist_moved.paths import PARAMS

SWEEPS = Path("sweeps.yaml")
SEED = "train.seed"


class Trial(NamedTuple):
    """A setting with a seed; overrides: as `dvc exp run -S` takes them, the seed among them."""

    setting: str
    seed: int
    overrides: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the experiment."""
        return f"{self.setting}-s{self.seed}"


class Sweep(Section):
    """One of sweeps.yaml: its settings by name, and how many seeds each has."""

    seeds: Annotated[int, Field(ge=1)]
    settings: Annotated[dict[Annotated[str, Field(pattern=r"^[a-z0-9_]+$")], list[str]], Field(min_length=1)]


def load_sweep(name: str) -> Sweep:
    """Read one sweep of sweeps.yaml; a UserError that names those there are, or what is wrong with it."""
    sweeps = parse_yaml(SWEEPS.read_text(encoding="utf-8"), SWEEPS)
    if not isinstance(sweeps, dict) or name not in sweeps:
        known = ", ".join(map(str, sweeps)) if isinstance(sweeps, dict) else "nothing"
        raise UserError(f"{name}: no such sweep; {SWEEPS} has {known}")
    return validate(Sweep, sweeps[name], f"{SWEEPS}: {name}")


def plan(settings: Mapping[str, Sequence[str]], overrides: Sequence[str], seeds: int) -> list[Trial]:
    """All trials, seed by seed: each of the settings with each combination of the overrides.

    settings: overrides by name, as in sweeps.yaml, or {"": []}; seeds: how many, from that of the setting on.
    Lists of values, `choice` and `range` are tried in all combinations. Raises UserError if an override is
    wrong, or if it gives no valid params.yaml.
    """
    if seeds < 1:
        raise UserError(f"--seeds: expected at least 1, found {seeds}")
    choices = []
    for name, base in settings.items():
        several = expand(base)
        for start, added in itertools.product(several, expand(overrides)):
            choice = [*start, *added]
            labels = [name, label_of(start) if len(several) > 1 else "", label_of(added)]
            first = load_overridden(choice).train.seed
            load_overridden([*choice, f"{SEED}={first + seeds - 1}"])
            plain = [override for override in choice if _key(override) != SEED]
            choices.append(("-".join(filter(None, labels)) or "default", plain, first))
    trials: dict[str, Trial] = {}
    for number in range(seeds):
        for setting, choice, first in choices:
            trial = Trial(setting, first + number, (*choice, f"{SEED}={first + number}"))
            if trials.setdefault(trial.name, trial) != trial:
                raise UserError(f"two settings would be called {setting}: {choice}; name them in {SWEEPS}")
    return list(trials.values())


def expand(overrides: Sequence[str]) -> list[list[str]]:
    """All combinations of what the overrides allow, each as plain `key=value`."""
    try:
        combinations = get_hydra_sweeps(to_path_overrides(overrides))
    except (DvcException, HydraException) as error:
        raise UserError(f"-S {' '.join(overrides)}: {str(error).splitlines()[0]}") from None
    if others := sorted({path for combination in combinations for path in combination} - {str(PARAMS)}):
        raise UserError(f"{others[0]}: expected overrides of {PARAMS}, as in -S train.epochs=3")
    return [combination.get(str(PARAMS), []) for combination in combinations]


def label_of(overrides: Sequence[str]) -> str:
    """Overrides but the seed as part of a name, augment-false-epochs-3; long values become short digests."""
    values = {_key(override): override.partition("=")[2] for override in overrides}
    values.pop(SEED, None)
    last = {key: key.rpartition(".")[2] for key in values}
    parts = []
    for key, value in values.items():
        value = {"True": "true", "False": "false"}.get(value, value)  # as Hydra has them, and as YAML
        plain = re.fullmatch(r"-?\w+([.+-]\w+)*", value, re.ASCII) and len(value) <= 30
        name = last[key] if [*last.values()].count(last[key]) == 1 else key
        parts += [name, value if plain else hashlib.sha256(value.encode()).hexdigest()[:6]]
    return "-".join(parts)


def overridden(overrides: Sequence[str], folder: Path) -> Path:
    """Write params.yaml with these overrides into a folder, to the byte as `dvc exp run -S` would."""
    copy = folder / PARAMS
    shutil.copy(PARAMS, copy)
    try:
        apply_overrides(copy, list(overrides))
    except DvcException as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise UserError(f"-S {' '.join(overrides)}: {reason}") from None
    return copy


def load_overridden(overrides: Sequence[str]) -> Params:
    """The params of a trial; UserError if they are not valid."""
    with tempfile.TemporaryDirectory() as folder:
        path = overridden(overrides, Path(folder))
        try:
            return load_params(path)
        except UserError as error:
            raise UserError(f"-S {' '.join(overrides)}: {str(error).replace(f'{folder}/', '')}") from None


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")

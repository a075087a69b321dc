"""Make the altered test sets: data/raw/ -> data/perturbed/SUITE.npz, one for each suite in params.yaml.

A suite is a kind of perturbation with its strength, applied to the 10,000 test digits. Its random numbers
are seeded from perturb.seed and its own name, so it never depends on which other suites are listed.
Run it with `python -m stages.perturb`, or `dvc repro perturb` to run what it needs first.
"""

import json
import zlib
from pathlib import Path

import numpy as np

from stages.shared.mnist import load_split
from stages.shared.params import load_params
from stages.shared.perturbations import perturb
from stages.shared.stage import remove_all_but, run, whole_file

OUT = Path("data/perturbed")


def make_suite(
    images: np.ndarray, labels: np.ndarray, seed: int, name: str, kind: str, **strengths: float
) -> dict:
    """Return the arrays of one altered test set.

    images: uint8 (n, 28, 28); labels: uint8 (n,). The result holds `images` and `labels` of the same shapes
    and types, the name of the `kind`, its `strengths` as JSON, and one array (n,) for each random parameter
    drawn.
    """
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    perturbed, drawn = perturb(images, kind, rng, **strengths)
    description = {"kind": np.array(kind), "strengths": np.array(json.dumps(strengths))}
    return {"images": perturbed, "labels": labels, **description, **drawn}


def main() -> None:
    params = load_params().perturb
    images, labels = load_split("data/raw", "test")
    for name, suite in params.suites.items():
        with whole_file(OUT / f"{name}.npz") as partial:
            np.savez(partial, **make_suite(images, labels, params.seed, name, **suite))
    remove_all_but(OUT, [f"{name}.npz" for name in params.suites])
    print(f"{len(params.suites)} altered test sets of {len(images)} digits in {OUT}/")


if __name__ == "__main__":
    run(main)

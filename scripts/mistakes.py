"""Show every mistake of the network on one set, the surest first, with what the baseline makes of it.

    python -m scripts.mistakes clean                  # the test set as it is
    python -m scripts.mistakes repositioned --open    # a suite of params.yaml, in your browser at once

Writes one page that needs nothing else, dvc_plots/mistakes_SET.html.
"""

import argparse
import base64
import io
import webbrowser
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from PIL import Image

from robustness.artifacts import CLEAN, PERTURBED, RAW, baseline_of
from robustness.command import UserError, run
from robustness.datasets import read_dataset
from robustness.figures import words
from robustness.files import write_text
from robustness.networks import load_network, predict
from robustness.params import load_params
from robustness.suites import Suite, load_sets

TEMPLATE = Path(__file__).with_name("mistakes.html.jinja")
PAGES = Path("dvc_plots")  # where `dvc plots show` puts its own


def read_set(name: str) -> Suite:
    """One of the sets that evaluate reads; UserError that names them if there is no such set."""
    params = load_params()
    sets = load_sets(RAW, PERTURBED, params.evaluate.split, params.train.validation_digits)
    if name not in sets:
        raise UserError(f"{name}: no such set; there are: {', '.join(sets)}")
    return sets[name]


def list_mistakes(
    suite: Suite, probabilities: np.ndarray, baseline: np.ndarray, classes: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Each image that is not recognised, the surest first; both probabilities: float (n, 10)."""
    predicted, guess = probabilities.argmax(axis=1), baseline.argmax(axis=1)
    wrong = np.flatnonzero(predicted != suite.labels)
    return [
        {
            "number": int(i),
            "png": encode(suite.images[i]),
            "label": classes[suite.labels[i]],
            "predicted": classes[predicted[i]],
            "confidence": probabilities[i].max(),
            "baseline": classes[guess[i]],
            "baseline_confidence": baseline[i].max(),
            "baseline_right": bool(guess[i] == suite.labels[i]),
        }
        for i in wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")]
    ]


def encode(image: np.ndarray) -> str:
    """A PNG in base64, ink black on white."""
    png = io.BytesIO()
    Image.fromarray(255 - image).save(png, "PNG")
    return base64.b64encode(png.getvalue()).decode()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.mistakes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("set", help=f"{CLEAN}, or a suite of params.yaml")
    parser.add_argument("--open", action="store_true", help="open the page in your browser")
    arguments = parser.parse_args()
    suite, dataset = read_set(arguments.set), read_dataset()
    network, baseline = load_network(), load_network(baseline_of(dataset.name))
    answers = [predict(each, suite.images) for each in (network, baseline)]
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        title=words(arguments.set).capitalize(),
        count=len(suite.labels),
        mistakes=list_mistakes(suite, *answers, dataset.classes),
    )
    path = PAGES / f"mistakes_{arguments.set}.html"
    write_text(path, page)
    print(path)
    if arguments.open:
        webbrowser.open(path.resolve().as_uri())


if __name__ == "__main__":
    run(main)

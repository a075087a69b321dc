"""Show every mistake of the network on one test set, by falling confidence, with the answer of the baseline.

    python -m scripts.mistakes clean                  # the test set as it is
    python -m scripts.mistakes repositioned --open    # one of perturb.test_sets, in your browser at once

Writes one page that needs nothing else, dvc_plots/mistakes_NAME.html.
"""

import webbrowser
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from mnist_moved.command import UserError, make_parser, run
from mnist_moved.data.datasets import read_dataset
from mnist_moved.data.pictures import data_url
from mnist_moved.data.test_sets import CLEAN, TestSet, load_test_sets
from mnist_moved.files import write_text
from mnist_moved.networks.saving import load_network, predict
from mnist_moved.params import load_params
from mnist_moved.paths import PERTURBED, RAW, baseline_of
from mnist_moved.report.wording import words

TEMPLATE = Path(__file__).with_name("mistakes.html.jinja")
PAGES = Path("dvc_plots")  # where `dvc plots show` puts its own


def read_test_set(name: str) -> TestSet:
    """One of the test sets that evaluate reads; UserError that names them if it is none of them."""
    params = load_params()
    test_sets = load_test_sets(RAW, PERTURBED, params.evaluate.split, params.train.validation_digits)
    if name not in test_sets:
        raise UserError(f"{name}: no such test set; there are: {', '.join(test_sets)}")
    return test_sets[name]


def list_mistakes(
    test_set: TestSet, probabilities: np.ndarray, baseline: np.ndarray, classes: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Each image that is misclassified, by falling confidence; both probabilities: float (n, 10)."""
    predicted, guess = probabilities.argmax(axis=1), baseline.argmax(axis=1)
    wrong = np.flatnonzero(predicted != test_set.labels)
    return [
        {
            "number": int(i),
            "url": data_url(255 - test_set.images[i]),
            "label": classes[test_set.labels[i]],
            "predicted": classes[predicted[i]],
            "confidence": probabilities[i].max(),
            "baseline": classes[guess[i]],
            "baseline_confidence": baseline[i].max(),
            "baseline_right": bool(guess[i] == test_set.labels[i]),
        }
        for i in wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")]
    ]


def main() -> None:
    parser = make_parser("python -m scripts.mistakes", __doc__)
    parser.add_argument("name", help=f"{CLEAN}, or one of perturb.test_sets")
    parser.add_argument("--open", action="store_true", help="open the page in your browser")
    arguments = parser.parse_args()
    test_set, dataset = read_test_set(arguments.name), read_dataset()
    network, baseline = load_network(), load_network(baseline_of(dataset.name))
    answers = [predict(each, test_set.images) for each in (network, baseline)]
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        title=words(arguments.name).capitalize(),
        count=len(test_set.labels),
        mistakes=list_mistakes(test_set, *answers, dataset.classes),
    )
    path = PAGES / f"mistakes_{arguments.name}.html"
    write_text(path, page)
    print(path)
    if arguments.open:
        webbrowser.open(path.resolve().as_uri())


if __name__ == "__main__":
    run(main)

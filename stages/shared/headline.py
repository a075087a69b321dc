"""The result in four lines: `python -m stages.shared.headline` prints it from metrics/evaluation.json."""

import json
from pathlib import Path

from stages.shared.stage import StageError, run

EVALUATION = Path("metrics/evaluation.json")
TITLES = {"mnist": "MNIST test set", "repositioned": "Repositioned test set"}


def print_headline() -> None:
    """Print accuracy and loss on the two main test sets, and where the pictures are."""
    try:
        evaluation = json.loads(EVALUATION.read_text())
        rows = [
            (title, evaluation[name]["accuracy"], evaluation[name]["loss"]) for name, title in TITLES.items()
        ]
    except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
        raise StageError(
            f"{EVALUATION} is missing or damaged ({error}); run `dvc repro` to make it"
        ) from None
    print(f"\n{'':24}accuracy    loss")
    for title, accuracy, loss in rows:
        print(f"{title:24}{accuracy:8.2%}{loss:8.4f}")
    print("\nThe whole story, with pictures: plots/report.html. Interactive plots: `dvc plots show`.")


if __name__ == "__main__":
    run(print_headline)

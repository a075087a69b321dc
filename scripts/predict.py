"""Name what a picture shows: PNG, JPEG, ... of one handwritten digit -> its class and probability.

    python -m scripts.predict photo.jpg drawing.png
    python -m scripts.predict --page sheet.jpg    # of many: each, in rows from top to bottom
    python -m scripts.predict --json *.png

Without --page, a picture of several digits is predicted as if it held one, with a warning. A network that was
trained on another data set than MNIST names what that shows. Exit codes: 0, all files were predicted; 1, some
could not be (a line each on the standard error stream says why, and the others are predicted all the same),
or there is no network; 2, the command line is wrong.
"""

import json
import sys
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np

from mnist_moved.command import make_parser, run
from mnist_moved.data.datasets import read_dataset
from mnist_moved.data.pictures import FORMATS, MAX_BYTES, SEVERAL, PictureError, read_digit, read_page


def main() -> None:
    parser = make_parser("python -m scripts.predict", __doc__)
    parser.add_argument("files", nargs="+", metavar="FILE", help=", ".join(FORMATS))
    parser.add_argument("--page", action="store_true", help="the files show many digits each")
    parser.add_argument("--json", action="store_true", help="print a list of predictions, for machines")
    arguments = parser.parse_args()

    dataset = read_dataset()
    failed, read, images = 0, [], []
    for file in arguments.files:
        try:
            with open(file, "rb") as opened:
                content = opened.read(MAX_BYTES + 1)
            rows = read_page(content, dataset.box) if arguments.page else [[read_digit(content, dataset.box)]]
        except (PictureError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            print(f"error: {file}: {reason}", file=sys.stderr)
            failed += 1
            continue
        if not arguments.page and rows[0][0].several:
            print(f"warning: {file}: {SEVERAL}", file=sys.stderr)
        for number, row in enumerate(rows):
            for found in row:
                place = {"row": number, "box": found.box} if arguments.page else {}
                read.append({"file": file, **place})
                images.append(found.image)
    probabilities = []
    if images:
        # Here, because importing it takes seconds, which a wrong file name should not.
        from mnist_moved.networks.saving import load_network, predict

        probabilities = predict(load_network(), np.stack(images))
    predictions = [
        {
            **found,
            "label": int(row.argmax()),
            "class": dataset.classes[row.argmax()],
            "probability": float(row.max()),
            "probabilities": row.tolist(),
        }
        for found, row in zip(read, probabilities, strict=True)
    ]
    if arguments.json:
        print(json.dumps(predictions, indent=2))
    elif arguments.page:
        print_pages(predictions)
    else:
        for prediction in predictions:
            print("{file}: {class} ({probability:.1%})".format(**prediction))
    if failed:
        sys.exit(1)


def print_pages(predictions: list[dict[str, Any]]) -> None:
    """A heading for each page, a line for each of its rows."""
    for file, page in groupby(predictions, itemgetter("file")):
        page = list(page)
        unsure = min(page, key=itemgetter("probability"))
        print("{}: {} found, the least sure {class} ({probability:.1%})".format(file, len(page), **unsure))
        for _, row in groupby(page, itemgetter("row")):
            print("  " + " ".join(prediction["class"] for prediction in row))


if __name__ == "__main__":
    run(main)

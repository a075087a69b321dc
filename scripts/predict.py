"""Name what a picture shows: PNG, JPEG, ... of one handwritten digit -> its class and probability.

    python -m scripts.predict photo.jpg drawing.png
    python -m scripts.predict --json *.png

A picture with several digits side by side is predicted as if it held one, with a warning. A network that was
trained on another data set than MNIST names what that shows. Exit codes: 0, all files were predicted; 1, some
could not be (a line each on the standard error stream says why, and the others are predicted all the same),
or there is no network; 2, the command line is wrong.
"""

import json
import sys

import numpy as np

from mnist_moved.command import make_parser, run
from mnist_moved.data.datasets import read_dataset
from mnist_moved.data.pictures import FORMATS, MAX_BYTES, SEVERAL, PictureError, read_digit


def main() -> None:
    parser = make_parser("python -m scripts.predict", __doc__)
    parser.add_argument("files", nargs="+", metavar="FILE", help=", ".join(FORMATS))
    parser.add_argument("--json", action="store_true", help="print a list of predictions, for machines")
    arguments = parser.parse_args()

    dataset = read_dataset()
    files, digits = [], []
    for file in arguments.files:
        try:
            with open(file, "rb") as content:
                reading = read_digit(content.read(MAX_BYTES + 1), dataset.box)
            files.append(file)
            digits.append(reading.image)
            if reading.several:
                print(f"warning: {file}: {SEVERAL}", file=sys.stderr)
        except (PictureError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            print(f"error: {file}: {reason}", file=sys.stderr)
    probabilities = []
    if digits:
        # Here, because importing it takes seconds, which a wrong file name should not.
        from mnist_moved.networks.saving import load_network, predict

        probabilities = predict(load_network(), np.stack(digits))
    predictions = [
        {
            "file": file,
            "label": int(row.argmax()),
            "class": dataset.classes[row.argmax()],
            "probability": float(row.max()),
            "probabilities": row.tolist(),
        }
        for file, row in zip(files, probabilities, strict=True)
    ]
    if arguments.json:
        print(json.dumps(predictions, indent=2))
    else:
        for prediction in predictions:
            print("{file}: {class} ({probability:.1%})".format(**prediction))
    if len(files) < len(arguments.files):
        sys.exit(1)


if __name__ == "__main__":
    run(main)

"""How often `scripts.evaluate` finds out on which scale of grey a network was trained.

    python -m benchmarks.feeding    # three minutes

Networks of three kinds, trained for a while and for longer on each scale, on 20,000 digits; then the way to
feed them is chosen on validation digits, as for a network from anywhere.
"""

import pandas as pd
from tqdm import tqdm

from mnist_moved.command import make_parser, run
from mnist_moved.data.idx import Digits, evaluation_digits, load_split
from mnist_moved.networks.external import ENOUGH, FEEDINGS, SCALES, all_tried, choose, reading_of
from mnist_moved.networks.quiet_keras import keras
from mnist_moved.networks.saving import predict
from mnist_moved.paths import RAW

layers = keras.layers
DIGITS, EPOCHS = 20_000, (1, 5)


def network(kind: str) -> keras.Model:
    convolutions = [
        layers.Reshape((28, 28, 1)),
        layers.Conv2D(16, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(16, 3, activation="relu"),
        layers.MaxPooling2D(),
    ]
    hidden = {
        "linear": [],
        "dense": [layers.Flatten(), layers.Dense(128, "relu")],
        "convolutional": convolutions,
    }
    stack = [*hidden[kind], layers.Flatten(), layers.Dense(10)]
    built = keras.Sequential([keras.Input((28, 28)), *stack])
    built.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return built


def chosen_for(built: keras.Model, digits: Digits) -> tuple[str, list[str]]:
    """The scale that is chosen for a network, and those that would do as well."""
    outputs = {scale: predict(built, FEEDINGS[scale](digits.images)) for scale in SCALES}
    to_probabilities, _ = reading_of(outputs, digits.labels)
    chosen, others = choose(all_tried(outputs, digits.labels, to_probabilities))
    return chosen.feeding, others


def main() -> None:
    make_parser("python -m benchmarks.feeding", __doc__).parse_args()
    keras.utils.set_random_seed(42)
    training = Digits(*(array[:DIGITS] for array in load_split(RAW, "train")))
    digits = Digits(*(array[:ENOUGH] for array in evaluation_digits(RAW, "validation", 5000)))
    rows = []
    for kind in tqdm(("linear", "dense", "convolutional"), "benchmark", unit=" kinds", disable=None):
        for scale in SCALES:
            built, done = network(kind), 0
            for epochs in EPOCHS:
                images = FEEDINGS[scale](training.images)
                built.fit(images, training.labels, 64, epochs, initial_epoch=done, verbose=0)
                done = epochs
                chosen, others = chosen_for(built, digits)
                rows.append((scale, kind, epochs, chosen, ", ".join(others)))
    table = pd.DataFrame(rows, columns=["trained on", "network", "epochs", "chosen", "as good"])
    found = (table["trained on"] == table["chosen"]).groupby(table["trained on"], sort=False).sum()
    print(table[table["trained on"] != table["chosen"]].to_markdown(index=False))
    print(f"\nfound, of {len(table) // len(SCALES)} each: {found.to_dict()}")


if __name__ == "__main__":
    run(main)

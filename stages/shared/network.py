"""A trained network as a file: models/model.keras and whatever else answers to the same contract."""

from pathlib import Path

from stages.shared.quiet_keras import keras
from stages.shared.stage import StageError

MODEL = Path("models/model.keras")


def load_network(path: Path = MODEL, remedy: str = "run `dvc repro train` to make it") -> keras.Model:
    """Load a network that takes uint8 images (n, 28, 28) and returns probabilities (n, 10).

    Raises StageError, with the remedy, if there is none.
    """
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    # Any exception: on a damaged file Keras raises a dozen types.
    except Exception as error:
        raise StageError(f"{path} is missing or damaged ({error!s:.300}); {remedy}") from None

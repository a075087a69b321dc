"""What the stages pass to each other: where each file lies, and the names of two test sets."""

from pathlib import Path

# data/, models/: kept by DVC
RAW = Path("data/raw")  # download -> perturb, train, evaluate, plot
DATASET = Path("data/dataset.json")  # download -> perturb, evaluate, plot, scripts, page; in git
OWN = Path("data/own")  # a user's pictures -> perturb; in git
PERTURBED = Path("data/perturbed")  # perturb -> evaluate, plot
MODEL = Path("models/model.keras")  # train -> evaluate, scripts, page; in git
BASELINES = Path("models/baselines")  # scripts.baseline -> evaluate, scripts, page; in git
CHECKPOINT = Path("models/checkpoint.keras")  # train -> train, after an interruption

# metrics/, plots/: kept by git
TRAINING = Path("metrics/training.json")  # train -> plot
CURVES = Path("plots/training")  # train -> plot
SUMMARY = Path("metrics/summary.json")  # evaluate -> dvc metrics
EVALUATION = Path("metrics/evaluation.json")  # evaluate -> plot
TABLES = Path("plots/evaluation")  # evaluate -> plot, scripts.compare, scripts.sweep
EXAMPLES = TABLES / "examples.npz"  # evaluate -> page
FIGURES = Path("plots/figures")  # plot
CARD = Path("models/README.md")  # plot
REPORT = Path("plots/report.html")  # plot
RECIPE = Path("benchmarks/recipe.csv")  # scripts.sweep -> plot; in git
RECIPE_CURVES = Path("benchmarks/recipe-curves.csv")  # the same
VEGA = Path("dvc_plots/vega.js")  # plot -> dvc plots show

SCIKIT_LEARN = "scikit-learn"  # whose digits are a set, where otherwise a folder of pictures is named

CLEAN = "clean"  # the test set as it is, among the names of the suites
HEADLINE = "repositioned"  # the suite that must be there


def curves_of(table: str | Path) -> Path:
    """Where the curves of a sweep lie, given the table of its sets: TABLE-curves.csv beside TABLE.csv."""
    return Path(table).with_name(f"{Path(table).stem}-curves.csv")


def baseline_of(dataset: str) -> Path:
    """Where the baseline lies that was trained on the data set of that name."""
    return BASELINES / f"{dataset}.keras"

"""Where every file lies that one part of the project writes and another reads."""

from pathlib import Path

PARAMS = Path("params.yaml")  # a user -> all stages

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
LEARNING_CURVES = Path("plots/training")  # train -> plot
SUMMARY = Path("metrics/summary.json")  # evaluate -> dvc metrics
EVALUATION = Path("metrics/evaluation.json")  # evaluate -> plot
TABLES = Path("plots/evaluation")  # evaluate -> plot, scripts
TEST_SETS = TABLES / "test_sets.csv"  # a row for each test set
CURVES = TABLES / "curves.csv"  # a row for each point of a curve, accuracy by strength
EXAMPLES = TABLES / "examples.npz"  # evaluate -> page
FIGURES = Path("plots/figures")  # plot
CARD = Path("models/README.md")  # plot
REPORT = Path("plots/report.html")  # plot
MAIN_SWEEP = Path("benchmarks/main.csv")  # scripts.sweep -> plot; in git
VEGA = Path("dvc_plots/vega.js")  # plot -> dvc plots show


def curves_of(table: str | Path) -> Path:
    """Where the curves of a sweep lie, given the table of its test sets: TABLE-curves.csv beside
    TABLE.csv."""
    return Path(table).with_name(f"{Path(table).stem}-curves.csv")


def baseline_of(dataset: str) -> Path:
    """Where the baseline lies that was trained on the data set of that name."""
    return BASELINES / f"{dataset}.keras"

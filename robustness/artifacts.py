"""What the stages pass to each other: where each file lies, and the names of two test sets."""

from pathlib import Path

# data/, models/: kept by DVC
RAW = Path("data/raw")  # download -> perturb, train, evaluate, plot
PERTURBED = Path("data/perturbed")  # perturb -> evaluate, plot
MODEL = Path("models/model.keras")  # train -> evaluate
BASELINE = Path("models/baseline.keras")  # in git; models/README.md says how it was trained
CHECKPOINT = Path("models/checkpoint.keras")  # train -> train, after an interruption

# metrics/, plots/: kept by git
TRAINING = Path("metrics/training.json")  # train -> plot
CURVES = Path("plots/training")  # train -> plot
SUMMARY = Path("metrics/summary.json")  # evaluate -> dvc metrics
EVALUATION = Path("metrics/evaluation.json")  # evaluate -> plot
TABLES = Path("plots/evaluation")  # evaluate -> plot, scripts.compare, scripts.sweep
FIGURES = Path("plots/figures")  # plot
REPORT = Path("plots/report.html")  # plot
RECIPE = Path("benchmarks/recipe.csv")  # scripts.sweep -> plot; in git
RECIPE_CURVES = Path("benchmarks/recipe-curves.csv")  # the same
VEGA = Path("dvc_plots/vega.js")  # plot -> dvc plots show

CLEAN = "mnist"  # the MNIST test set, among the names of the suites
HEADLINE = "repositioned"  # the suite that must be there


def curves_of(table: str | Path) -> Path:
    """Where the curves of a sweep lie, given the table of its sets: TABLE-curves.csv beside TABLE.csv."""
    return Path(table).with_name(f"{Path(table).stem}-curves.csv")

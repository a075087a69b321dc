"""The small run that all tests share comes out as it did before, so that an upgrade which changes it shows.

What is expected is in expected_small_run.json. After a change that is meant to change it,
`RENEW=1 pytest tests/test_drift.py` writes it anew; commit it with the change.
"""

import json
import os
from pathlib import Path

import pytest

EXPECTED = Path(__file__).with_name("expected_small_run.json")


@pytest.mark.parametrize(
    ("quantity", "tolerance"),
    [
        # The committed network on the same images: another processor only rounds differently.
        ("baseline_accuracy", 0.002),
        # With oneDNN's kernels for AVX2, or without oneDNN, it moved by up to 0.034.
        ("accuracy", 0.08),
    ],
)
def test_the_small_run_comes_out_as_before(finished, quantity, tolerance):
    evaluation = finished.read_json("metrics/evaluation.json")
    found = {name: account[quantity] for name, account in evaluation.items()}
    expected = json.loads(EXPECTED.read_text())
    if "RENEW" in os.environ:
        EXPECTED.write_text(json.dumps(expected | {quantity: found}, indent=2) + "\n")
    else:
        assert found == pytest.approx(expected[quantity], abs=tolerance)

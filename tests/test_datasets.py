"""What a data set is comes back as it was written down; each that is known is whole."""

import pytest

from mnist_moved.command import UserError
from mnist_moved.data.datasets import DATASETS, own_dataset, read_dataset, write_dataset


@pytest.mark.parametrize(
    "dataset", [*(known.dataset for known in DATASETS.values()), own_dataset("mine", [*"abcdefghij"])]
)
def test_a_data_set_comes_back_as_it_was_written(tmp_path, dataset):
    write_dataset(dataset, tmp_path / "dataset.json")
    assert read_dataset(tmp_path / "dataset.json") == dataset


NO_CLASSES = '{"name": "a", "title": "A", "thing": "a", "classes": [], "box": 20}'


@pytest.mark.parametrize("content", [None, "", "{}", NO_CLASSES])
def test_what_is_not_there_or_damaged_is_told_with_what_makes_it(tmp_path, content):
    if content is not None:
        (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(UserError, match=r"dataset\.json is missing or damaged \(.*dvc repro download"):
        read_dataset(tmp_path / "dataset.json")

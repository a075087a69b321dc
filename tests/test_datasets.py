"""What a data set is comes back as it was written down; each that is known is whole."""

import pytest

from mnist_moved.command import UserError
from mnist_moved.data.datasets import DATASETS, own_dataset, read_dataset, write_dataset
from mnist_moved.params import load_params


@pytest.mark.parametrize("name", DATASETS)
def test_a_data_set_comes_back_as_it_was_written_and_has_sources(tmp_path, name):
    dataset, files = DATASETS[name]
    write_dataset(dataset, tmp_path / "dataset.json")
    assert read_dataset(tmp_path / "dataset.json") == dataset
    assert (len({*dataset.classes}), len({each.sha256 for each in files.values()})) == (10, 4)
    assert load_params().download.sources[name]


def test_one_of_ones_own_has_the_files_of_mnist_and_the_classes_that_it_is_given():
    dataset, files = own_dataset("my_digits", [*"abcdefghij"])
    assert (dataset.title, dataset.things, dataset.classes[9]) == ("my digits", "images", "j")
    assert files == dict.fromkeys(DATASETS["mnist"].files)


@pytest.mark.parametrize("content", ["", "{}", '{"name": "a", "classes": []}'])
def test_what_is_not_there_or_damaged_is_told_with_what_makes_it(tmp_path, content):
    for path in (tmp_path / "missing.json", tmp_path / "dataset.json"):
        (tmp_path / "dataset.json").write_text(content)
        with pytest.raises(UserError, match=rf"{path.name} is missing or damaged \(.*dvc repro download"):
            read_dataset(path)

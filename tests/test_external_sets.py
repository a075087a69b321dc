"""Pictures in folders become a test set, or it is said what is wrong with them; other writers are one too."""

import numpy as np
import pytest
from pictures import DIGITS, draw, encode, photograph

from mnist_moved.command import UserError
from mnist_moved.data.datasets import FASHION_MNIST, MNIST
from mnist_moved.data.external import read_external
from mnist_moved.data.pictures import read_digit
from mnist_moved.data.test_sets import load_test_set, save_test_set


def read(folder, dataset=MNIST):
    return read_external(str(folder), dataset)


@pytest.fixture
def folder(tmp_path):
    """A folder of pictures: a drawing and a photo of a three, and a seven of MNIST."""
    folder = tmp_path / "own"
    (folder / "3/monday").mkdir(parents=True)
    (folder / "7").mkdir()
    (folder / "3/drawing.png").write_bytes(encode(draw(DIGITS[3])))
    (folder / "3/monday/photo.jpg").write_bytes(photograph(draw(DIGITS[3], paper=220, ink=50)))
    (folder / "7/mnist.png").write_bytes(encode(DIGITS[7]))
    (folder / ".gitkeep").touch()
    (folder / "7/.DS_Store").write_bytes(b"what a system leaves")
    return folder


def test_the_digits_of_other_writers_look_like_those_of_mnist_and_are_none_for_other_classes(tmp_path):
    others = read("scikit-learn")
    assert (others.images.dtype, others.labels.dtype) == (np.uint8, np.uint8)
    assert np.bincount(others.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # UCI's
    # As in MNIST, ink keeps to the middle and covers some fifth of it.
    assert (others.images[:, [0, 1, 26, 27]] > 0).mean() < 0.01
    assert 0.1 < (others.images > 127).mean() < 0.25
    save_test_set(tmp_path / "others.npz", others)
    np.testing.assert_equal(load_test_set(tmp_path / "others.npz"), others)
    assert read("scikit-learn", FASHION_MNIST) is None


def test_a_folder_of_pictures_is_read_as_predict_reads_each(folder, capsys):
    found = read(folder)
    assert found.labels.tolist() == [3, 3, 7]
    assert found.strengths == {"source": str(folder)}
    drawing = read_digit((folder / "3/drawing.png").read_bytes()).image
    np.testing.assert_array_equal(found.images, [drawing, found.images[1], DIGITS[7]])
    assert capsys.readouterr().out == ""


def test_classes_may_be_called_by_name_and_a_thing_is_as_large_as_in_its_data_set(folder):
    (folder / "3").rename(folder / "Dress")
    found = read(folder, FASHION_MNIST)
    assert found.labels.tolist() == [7, 3, 3]
    heights = [np.flatnonzero(image.any(axis=1)).size for image in found.images]
    assert heights[0] == 20  # one of MNIST, which stays as it is
    assert min(heights[1:]) >= 27


def test_a_picture_that_cannot_be_read_is_named_counted_and_left_out(folder, capsys):
    (folder / "7/notes.txt").write_text("seven")
    (folder / "7/blank.png").write_bytes(encode(np.full((50, 50), 255)))
    assert read(folder).labels.tolist() == [3, 3, 7]
    head, *reasons = capsys.readouterr().out.splitlines()
    assert head == f"{folder}: 2 of 5 pictures left out"
    assert (
        reasons[0]
        == f"  {folder}/7/blank.png: expected ink on paper, with some paper around it, found a blank picture"
    )
    assert reasons[1].startswith(f"  {folder}/7/notes.txt: expected an image (")


def test_an_empty_folder_says_nothing_and_one_of_which_nothing_can_be_read_is_an_error(tmp_path, capsys):
    (tmp_path / ".gitkeep").touch()
    (tmp_path / "3").mkdir()
    assert read(tmp_path) is None
    assert capsys.readouterr().out == ""
    (tmp_path / "3/notes.txt").write_text("three")
    with pytest.raises(UserError, match="expected pictures, found 1 files of which none can be read"):
        read(tmp_path)


@pytest.mark.parametrize("wrong", ["10", "three", "5"])
def test_what_is_no_folder_of_a_class_is_refused(folder, wrong):
    (folder / wrong).touch() if wrong == "5" else (folder / wrong).mkdir()
    with pytest.raises(UserError, match=rf"expected a folder for each class, 0 to 9; found {wrong}"):
        read(folder)


def test_a_link_may_lead_to_a_picture_within_the_folder_and_nowhere_else(folder, tmp_path):
    (folder / "3/link.png").symlink_to(folder / "3/drawing.png")
    assert read(folder).labels.tolist() == [3, 3, 3, 7]
    (tmp_path / "secret.png").write_bytes(encode(DIGITS[3]))
    (folder / "3/secret.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(UserError, match=r"3/secret\.png: expected a picture or a folder, found a link out"):
        read(folder)

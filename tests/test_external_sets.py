"""Pictures in folders become a test set, or it is said what is wrong with them; other writers are one too."""

import numpy as np
import pytest
from pictures import DIGITS, draw, encode, photograph

from mnist_moved.command import UserError
from mnist_moved.data.datasets import FASHION_MNIST, MNIST
from mnist_moved.data.external import read_external, read_folder
from mnist_moved.data.pictures import read_digit
from mnist_moved.data.test_sets import load_test_set, save_test_set


def read(folder, dataset=MNIST, others=()):
    found = dict(read_external("own", {"source": str(folder)}, dataset, others))
    assert {*found} <= {"own"}
    return found.get("own")


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


@pytest.mark.parametrize("wrong", ["10", "three", "10_anna.png", "IMG_1234.jpg", "digits.npz"])
def test_what_is_of_no_class_is_refused(folder, wrong):
    (folder / wrong).touch() if "." in wrong else (folder / wrong).mkdir()
    with pytest.raises(
        UserError, match=rf"a folder for each class, 0 to 9, or names like 7_.*; found {wrong}\. "
    ):
        read_folder(folder, MNIST)


def test_the_name_of_a_picture_may_tell_its_class(folder):
    (folder / "3/drawing.png").rename(folder / "3_anna.png")
    (folder / "7/mnist.png").rename(folder / "7.png")
    assert read(folder).labels.tolist() == [3, 3, 7]


def test_what_is_a_test_set_of_its_own_is_no_part_of_another(folder):
    (folder / "anna/5").mkdir(parents=True)
    (folder / "anna/5/drawing.png").write_bytes(encode(draw(DIGITS[5])))
    np.savez(folder / "digits.npz", x=DIGITS, y=np.arange(10))
    anna, digits = folder / "anna", folder / "digits.npz"
    assert read_folder(folder, MNIST, {anna, digits}).labels.tolist() == [3, 3, 7]
    assert read(anna, others={folder, digits}).labels.tolist() == [5]
    np.testing.assert_array_equal(read(digits, others={folder, anna}).images, DIGITS)


def test_a_folder_of_sets_is_a_test_set_each_as_those_of_mnist_c_are(tmp_path, capsys):
    for number, kind in enumerate(("shot_noise", "Motion Blur")):
        (tmp_path / kind).mkdir()
        for split, count in (("train", 3), ("test", 10)):
            np.save(tmp_path / kind / f"{split}_images.npy", np.roll(DIGITS, number, 2)[:count, ..., None])
            np.save(tmp_path / kind / f"{split}_labels.npy", np.arange(count))
    found = dict(read_external("mnist_c", {"source": str(tmp_path)}, MNIST))
    assert [*found] == ["mnist_c_motion_blur", "mnist_c_shot_noise"]
    np.testing.assert_array_equal(found["mnist_c_shot_noise"].images, DIGITS)
    assert found["mnist_c_motion_blur"].strengths == {"source": f"{tmp_path}/Motion Blur"}
    assert (
        "test_images.npy and test_labels.npy: 10 images of 28 x 28, grey from 0 to 255\n"
        in capsys.readouterr().out
    )
    options = {"source": str(tmp_path / "shot_noise"), "split": "train"}
    assert dict(read_external("noise", options, MNIST))["noise"].labels.tolist() == [0, 1, 2]


def test_pictures_that_dvc_keeps_are_read_links_to_its_cache_too(folder, tmp_path):
    (folder / "3.dvc").touch()
    (folder / ".gitignore").write_text("/3")
    (tmp_path / "cache").mkdir()
    (folder / "3/drawing.png").rename(tmp_path / "cache/0a1b")
    (folder / "3/drawing.png").symlink_to(tmp_path / "cache/0a1b")
    assert read(folder).labels.tolist() == [3, 3, 7]


def test_a_source_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(UserError, match=r"nope\.npz: expected a file or a folder, found neither"):
        read(tmp_path / "nope.npz")


def test_a_linked_folder_is_refused_as_dvc_sees_no_change_in_it(folder, tmp_path):
    (folder / "7").rename(tmp_path / "elsewhere")
    (folder / "7").symlink_to(tmp_path / "elsewhere")
    for source in (folder, folder / "7"):
        with pytest.raises(
            UserError, match=r"/7: expected a folder, found a link to one, in which DVC sees no"
        ):
            read(source)

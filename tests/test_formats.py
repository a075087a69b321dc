"""Digits of others are read in the forms that they are kept in, each built here as its source builds it."""

import gzip
import io
import pickle
import struct
import sys
import zipfile

import h5py
import numpy as np
import pandas as pd
import pytest
from pictures import DIGITS, encode
from PIL import Image
from scipy.io import savemat

from mnist_moved.command import UserError
from mnist_moved.data.datasets import FASHION_MNIST, MNIST
from mnist_moved.data.external import read_digits

LABELS = np.array([5, 2, 0, 9, 7, 1, 8, 3, 6, 4, 4, 7], np.uint8)
IMAGES = DIGITS[LABELS]
N = len(LABELS)
SMALL = np.stack(
    [np.asarray(Image.fromarray(image).resize((16, 16), box=(4, 4, 24, 24))) for image in IMAGES]
)
ONE_HOT = np.eye(10, dtype=np.uint8)[LABELS]
OTHERS = {"x_train": IMAGES[::-1], "y_train": LABELS[::-1]}  # what must not be taken


def idx(array, kind=8, dtype=">u1"):
    header = bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(dtype).tobytes()


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz(**arrays):
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def archive():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as written:
        written.writestr("archive/data.pkl", pickle.dumps(LABELS))
    return file.getvalue()


def mat(**arrays):
    file = io.BytesIO()
    savemat(file, arrays)
    return file.getvalue()


def hdf5(arrays):
    file = io.BytesIO()
    with h5py.File(file, "w") as written:
        for name, array in arrays.items():
            written[name] = array
    return file.getvalue()


def csv(table, **options):
    return pd.DataFrame(table).to_csv(index=False, **options).encode()


def parquet(table):
    pytest.importorskip("pyarrow")
    file = io.BytesIO()
    pd.DataFrame(table).to_parquet(file)
    return file.getvalue()


FLAT = IMAGES.reshape(N, 784)
PIXELS = {f"pixel{number}": FLAT[:, number] for number in range(784)}
QMNIST = np.stack([LABELS, *np.arange(7 * N).reshape(7, N)], axis=1)
FORMS = {  # files, which of them is named ("": their folder)
    "MNIST": ({"t10k-images-idx3-ubyte": idx(IMAGES), "t10k-labels-idx1-ubyte": idx(LABELS)}, ""),
    "MNIST, unpacked by other tools": (
        {"t10k-images.idx3-ubyte": idx(IMAGES), "t10k-labels.idx1-ubyte": idx(LABELS)}
        | {"train-images.idx3-ubyte": idx(IMAGES[:3]), "train-labels.idx1-ubyte": idx(LABELS[:3])},
        "",
    ),
    "EMNIST": (
        {
            "emnist-digits-test-images-idx3-ubyte.gz": gzip.compress(idx(IMAGES.swapaxes(1, 2))),
            "emnist-digits-test-labels-idx1-ubyte.gz": gzip.compress(idx(LABELS)),
            "emnist-letters-test-images-idx3-ubyte.gz": b"of another set",
        },
        "emnist-digits-test-images-idx3-ubyte.gz",
    ),
    "QMNIST": (
        {"qmnist-test-images-idx3-ubyte": idx(IMAGES), "qmnist-test-labels-idx2-int": idx(QMNIST, 12, ">i4")},
        "",
    ),
    "MNIST-C": (
        {"test_images.npy": npy(IMAGES[..., None]), "test_labels.npy": npy(LABELS)}
        | {"train_images.npy": npy(IMAGES[:3, ..., None]), "train_labels.npy": npy(LABELS[:3])},
        "",
    ),
    "Keras": ({"mnist.npz": npz(x_test=IMAGES, y_test=LABELS, **OTHERS)}, "mnist.npz"),
    "Kuzushiji": (
        {"k-test-imgs.npz": npz(arr_0=IMAGES), "k-test-labels.npz": npz(arr_0=LABELS)},
        "k-test-imgs.npz",
    ),
    "MedMNIST": (
        {
            "mnist.npz": npz(
                train_images=IMAGES[:3],
                train_labels=LABELS[:3, None],
                val_images=IMAGES[:3],
                val_labels=LABELS[:3, None],
                test_images=IMAGES,
                test_labels=LABELS[:, None],
            )
        },
        "mnist.npz",
    ),
    "Kaggle": ({"train.csv": csv({"label": LABELS} | PIXELS), "test.csv": csv(PIXELS)}, "train.csv"),
    "OpenML": ({"mnist_784.csv": csv(PIXELS | {"class": LABELS})}, "mnist_784.csv"),
    "CSV without names": (
        {"mnist_test.csv": csv(np.column_stack([LABELS, FLAT]), header=False)},
        "mnist_test.csv",
    ),
    "a hub": (
        lambda: {
            "test-00000-of-00001.parquet": parquet(
                {"image": [{"bytes": encode(each), "path": None} for each in IMAGES], "label": LABELS}
            )
        },
        "",
    ),
    "EMNIST for MATLAB": (
        {
            "emnist-digits.mat": mat(
                dataset={
                    "train": {"images": FLAT[:3], "labels": LABELS[:3, None], "writers": LABELS[:3, None]},
                    "test": {
                        "images": IMAGES.swapaxes(1, 2).reshape(N, 784),
                        "labels": LABELS[:, None],
                        "writers": LABELS[:, None],
                    },
                    "mapping": np.column_stack([np.arange(10), 48 + np.arange(10)]),
                }
            )
        },
        "emnist-digits.mat",
    ),
    "a channel first, one-hot": ({"x.npy": npy(IMAGES[:, None] / 255), "y.npy": npy(ONE_HOT)}, "x.npy"),
    "-1 to 1": ({"digits.npz": npz(x=IMAGES / 127.5 - 1, y=LABELS)}, "digits.npz"),
    "black on white": ({"digits.npz": npz(images=255 - IMAGES, labels=LABELS)}, "digits.npz"),
    "colours": ({"digits.npz": npz(images=np.stack([IMAGES] * 3, -1), labels=LABELS)}, "digits.npz"),
    "torchvision": (
        {"t10k-images-idx3-ubyte": idx(IMAGES), "t10k-labels-idx1-ubyte": idx(LABELS)}
        | {"t10k-images-idx3-ubyte.gz": gzip.compress(idx(IMAGES)), "._t10k-images-idx3-ubyte": b"of macOS"},
        "",
    ),
    "names of MATLAB": (
        {"mnist.mat": mat(trainX=FLAT[:3], trainY=LABELS[None, :3], testX=FLAT, testY=LABELS[None])},
        "mnist.mat",
    ),
    "XTest": ({"XTest.npy": npy(IMAGES), "YTest.npy": npy(LABELS)}, "XTest.npy"),
    "Xtest": ({"digits.npz": npz(Xtest=IMAGES, ytest=LABELS, Xtrain=IMAGES[:3])}, "digits.npz"),
    "a column each, float": ({"a.npz": npz(x=FLAT[..., None] / 255, y=LABELS.astype(float))}, "a.npz"),
    "a CSV with numbered columns": (
        {"a.csv": csv({str(n): column for n, column in enumerate([LABELS, *FLAT.T])})},
        "a.csv",
    ),
    "a CSV of labels, one-hot": ({"x.npy": npy(IMAGES), "y.csv": csv(ONE_HOT, header=False)}, "x.npy"),
    "labels one by one, last in line": (
        {"a.csv": csv(np.column_stack([np.where(FLAT == 0, 0.004, FLAT / 255), LABELS]), header=False)},
        "a.csv",
    ),
    "digits and one": ({"a.npz": npz(x=IMAGES, y=LABELS + 1)}, "a.npz"),
    "names beside": ({"a.npz": npz(x=IMAGES, y=LABELS, class_names=np.array([{}], object))}, "a.npz"),
    "labels by name": (
        {"digits.csv": csv({"class": [*map("number {}".format, LABELS)]} | PIXELS)},
        "digits.csv",
    ),
}


def write(folder, files):
    for name, content in (files() if callable(files) else files).items():
        (folder / name).write_bytes(content)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_28_x_28_gives_the_same_images_and_labels(tmp_path, form, capsys):
    files, named = FORMS[form]
    write(tmp_path, files)
    dataset = MNIST
    if form == "labels by name":
        dataset = MNIST._replace(classes=tuple(map("Number {}".format, range(10))))
    found = read_digits(tmp_path / named, "test", {}, dataset)
    assert (found.images.dtype, found.labels.dtype) == (np.uint8, np.uint8)
    np.testing.assert_array_equal(found.labels, LABELS)
    np.testing.assert_allclose(found.images.astype(int), IMAGES, atol=1)
    said = capsys.readouterr().out
    assert f"{N} images of 28 x 28, grey from " in said
    assert ("transposed" in said) == form.startswith("EMNIST")
    assert ("black on white" in said) == (form == "black on white")


COURSE = 20  # pixels: a side; column by column, 10 for zero, levels a little beyond 0 to 1
TWENTY = np.stack([np.asarray(Image.fromarray(image[4:24, 4:24])) for image in IMAGES])
OTHER_SIZES = {
    "USPS": (
        {
            "usps.h5": hdf5(
                {"test/data": SMALL.reshape(N, 256) / 255, "test/target": LABELS, "train/data": FLAT[:3]}
            )
        },
        "16 x 16, grey from 0 to 1, each scaled to a box of 20 pixels",
    ),
    "a course": (
        {
            "ex3data1.mat": mat(
                X=TWENTY.swapaxes(1, 2).reshape(N, 400) / 255 * 1.26 - 0.13,
                y=np.where(LABELS == 0, 10, LABELS)[:, None],
            )
        },
        "grey from 0 to 1, transposed, each scaled to a box of 20 pixels, centred by mass (fit: box),"
        " label 10 is a zero",
    ),
    "affNIST": (
        {
            "1.mat": mat(
                affNISTdata={
                    "affine_params": np.zeros((6, N)),
                    "image": np.pad(IMAGES, ((0, 0), (6, 6), (6, 6))).reshape(N, 1600).T,
                    "label_one_of_n": ONE_HOT.T,
                    "label_int": LABELS[None].astype(float),
                    "human_readable_label": np.array([*map(str, LABELS)], object)[None],
                }
            )
        },
        "40 x 40, grey from 0 to 255, all scaled alike (fit: canvas)",
    ),
    "MATLAB 7.3": (
        {
            "digits.mat": b"MATLAB 7.3"
            + bytes(502)
            + hdf5({"images": SMALL.swapaxes(0, 2), "labels": LABELS[None]})
        },
        "16 x 16",
    ),
    "scikit-learn, UCI": (
        {
            "optdigits.tes.csv": csv(
                np.column_stack(
                    [
                        np.stack(
                            [np.asarray(Image.fromarray(i).resize((8, 8))) // 16 for i in SMALL]
                        ).reshape(N, 64),
                        LABELS,
                    ]
                ),
                header=False,
            )
        },
        "8 x 8, grey from 0 to 16",
    ),
    "Semeion": (
        {
            "semeion.data": "\n".join(
                " ".join([*(f"{each:.4f}" for each in image.ravel() > 127), *map(str, label)]) + " "
                for image, label in zip(SMALL, ONE_HOT, strict=True)
            ).encode()
        },
        "16 x 16, grey from 0 to 1, each scaled to a box of 20 pixels, centred by mass (fit: box), labels"
        " one-hot",
    ),
}


@pytest.mark.parametrize(
    "alter",
    [
        lambda images: np.where(np.arange(28) // 5 % 2 == 0, 255 - images, 255),  # light in most places
        lambda images: images // 2 + 128,  # nowhere dark
        lambda images: images // 4,  # nowhere light
        lambda images: np.roll(images, 9, axis=1),
    ],
)
def test_perturbed_images_stay_as_they_are(tmp_path, alter):
    perturbed = alter(IMAGES).astype(np.uint8)
    write(tmp_path, {"a.npz": npz(images=perturbed, labels=LABELS)})
    np.testing.assert_array_equal(read_digits(tmp_path / "a.npz", "test", {}, MNIST).images, perturbed)


def test_one_image_is_a_set_too(tmp_path):
    write(tmp_path, {"a.npz": npz(images=IMAGES[:1], labels=LABELS[:1])})
    np.testing.assert_equal(read_digits(tmp_path / "a.npz", "test", {}, MNIST), (IMAGES[:1], LABELS[:1]))


def test_pictures_may_be_a_data_set_in_folders_of_its_splits(tmp_path):
    for split, label in (("training", 3), ("testing", 7)):
        (tmp_path / split / str(label)).mkdir(parents=True)
        (tmp_path / split / str(label) / "1.png").write_bytes(encode(DIGITS[label]))
    for split, label in (("train", 3), ("test", 7)):
        found = read_digits(tmp_path, split, {}, MNIST, divided=True)
        np.testing.assert_equal(found, (DIGITS[[label]], [label]))


@pytest.mark.parametrize("form", OTHER_SIZES)
def test_images_of_another_size_are_brought_to_28_x_28_and_it_is_said_how(tmp_path, form, capsys):
    files, expected = OTHER_SIZES[form]
    write(tmp_path, files)
    found = read_digits(tmp_path / next(iter(files)), "test", {}, MNIST)
    np.testing.assert_array_equal(found.labels, LABELS)
    assert found.images.shape == (N, 28, 28)
    assert expected in capsys.readouterr().out
    similar = np.corrcoef(np.vstack([found.images.reshape(N, -1), IMAGES.reshape(N, -1)]))[:N, N:]
    if form != "affNIST":  # its digits come out smaller
        np.testing.assert_array_equal(LABELS[similar.argmax(axis=1)], LABELS)
    else:
        assert np.ptp(np.flatnonzero(found.images[0].any(axis=1))) < 15


def test_what_is_found_out_can_be_set(tmp_path, capsys):
    write(tmp_path, {"a.npz": npz(images=SMALL, labels=LABELS), "answers.npy": npy(LABELS[::-1])})
    options = {
        "labels": str(tmp_path / "answers.npy"),
        "levels": [255, 0],
        "inverted": False,
        "transposed": True,
    }
    found = read_digits(tmp_path / "a.npz", "test", options | {"fit": "canvas"}, MNIST)
    np.testing.assert_array_equal(found.labels, LABELS[::-1])
    said = capsys.readouterr().out
    assert "16 x 16, grey from 255 to 0, transposed, all scaled alike (fit: canvas)" in said
    enlarged = np.asarray(Image.fromarray(255 - SMALL[0].T).resize((28, 28), Image.Resampling.BICUBIC))
    np.testing.assert_allclose(found.images[0].astype(int), enlarged, atol=8)


def test_moved_digits_on_a_canvas_keep_their_places(tmp_path):
    canvas = np.zeros((N, 56, 56), np.uint8)
    canvas[:, :28, :28] = IMAGES
    write(tmp_path, {"a.npz": npz(images=canvas, labels=LABELS)})
    images = read_digits(tmp_path / "a.npz", "test", {}, MNIST).images
    assert not images[:, 14:].any()
    np.testing.assert_allclose(images[:, :14, :14], IMAGES.reshape(N, 14, 2, 14, 2).mean(axis=(2, 4)), atol=1)


LETTERS = np.arange(1, 27, dtype=np.uint8)
REFUSED = {
    "letters": (
        {"a.npz": npz(images=np.resize(IMAGES, (26, 28, 28)), labels=LETTERS)},
        "found 26: 1, 2, 3, .*",
    ),
    "other counts": (
        {"a.npz": npz(images=IMAGES, labels=LABELS[:5])},
        r"found images of \(12, 28, 28\) and 5 labels",
    ),
    "no labels": (
        {"test.csv": csv(PIXELS)},
        r"test.csv: images \(12, 784\), found none; name their file: labels: PATH",
    ),
    "no images": (
        {"a.npz": npz(labels=LABELS)},
        r"expected one array of images, found none among a.npz: labels",
    ),
    "two sets": ({"a.npz": npz(one=IMAGES, two=IMAGES, y=LABELS)}, r"a.npz: one \(12, 28, 28\), a.npz: two"),
    "nothing": ({"a.npz": npz(images=IMAGES[:0], labels=LABELS[:0])}, "expected labels|expected images"),
    "two kinds of labels": (
        {"a.npz": npz(x=IMAGES, target_labels=LABELS, true_labels=LABELS)},
        r"one array of labels, found a.npz: target_labels \(12,\), a.npz: true_labels",
    ),
    "no number": (
        {"a.npz": npz(x=np.where(IMAGES > 250, np.nan, IMAGES), y=LABELS)},
        "not finite in 12 images",
    ),
    "one pixel": (
        {"a.npz": npz(x=IMAGES[:, :1, :1], y=LABELS)},
        "images of at least 8 x 8 pixels, found an arr",
    ),
    "a list of labels": (
        {"labels.csv": csv({"a": LABELS}, header=False)},
        "expected one array of images, found n",
    ),
    "one level": (
        {"a.npz": npz(images=np.zeros_like(IMAGES), labels=LABELS)},
        "found the level 0 everywhere",
    ),
    "half of IDX": (
        {"images-ubyte": idx(IMAGES)[:-9]},
        r"expected 9424 bytes, as its header says, found 9415",
    ),
    "half an archive": (
        {"a.npz": npz(images=IMAGES, labels=LABELS)[:-90]},
        "found a damaged file: File is not a zip",
    ),
    "half a gzip": (
        {"images-ubyte.gz": gzip.compress(idx(IMAGES))[:-30]},
        "found a damaged file: Compressed file",
    ),
    "a pickle": (
        {"a.csv": pickle.dumps(IMAGES)},
        "found a pickle, which can run code; save the arrays as .npz",
    ),
    "objects": ({"a.npy": npy(np.array([{}, {}], object))}, "Object arrays cannot be loaded"),
    "an archive of PyTorch": (
        {"a.npz": archive()},
        "found another archive; unpack it; if it holds pickles, which can run code",
    ),
    "words": (
        {"a.csv": b"What digits are\nand why\n"},
        "found a damaged file: could not convert string to float",
    ),
    "a photo": ({"a.csv": encode(IMAGES[0], "JPEG")}, "found none of them"),
    "unknown names": (
        {"a.csv": csv({"class": ["seven"] * N} | PIXELS)},
        "expected labels 0, 1, .*, found seven",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_set_of_digits_is_refused_in_a_sentence(tmp_path, name):
    files, reason = REFUSED[name]
    write(tmp_path, files)
    with pytest.raises(UserError, match=reason) as refused:
        read_digits(tmp_path / next(iter(files)), "test", {}, MNIST)
    assert str(refused.value).startswith(str(tmp_path))
    assert "\n" not in str(refused.value)


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    write(tmp_path, {"a.parquet": b"PAR1"})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match=r"not installed: `pip install -r requirements-formats\.txt`"):
        read_digits(tmp_path / "a.parquet", "test", {}, MNIST)


def test_classes_that_are_no_digits_count_from_one_and_are_not_turned(tmp_path):
    write(tmp_path, {"a.npz": npz(images=IMAGES.swapaxes(1, 2), labels=LABELS + 1)})
    found = read_digits(tmp_path / "a.npz", "test", {}, FASHION_MNIST)
    np.testing.assert_equal(found, (IMAGES.swapaxes(1, 2), LABELS))

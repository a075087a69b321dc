"""Whatever a digit was drawn with, photographed on or saved as, the network gets it as MNIST would have it,
or the user a reason why not.

tests/digits.png holds the first 0, 1, ... 9 of the MNIST test set side by side.
"""

import io
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import zlib
from contextlib import suppress

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from stages.predict import FORMATS, MAX_BYTES, PictureError, main, read_digit, to_mnist
from stages.shared.stage import run

with Image.open(ROOT / "tests/digits.png") as strip:
    DIGITS = np.array(strip).reshape(28, 10, 28).swapaxes(0, 1)
SEVEN = DIGITS[7]


def encode(picture, file_format="PNG", **options):
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(np.rint(picture).clip(0, 255).astype(np.uint8))
    file = io.BytesIO()
    picture.save(file, file_format, **options)
    return file.getvalue()


def draw(digit, size=280, shape=(400, 500), top=60, left=110, paper=255, ink=0):
    """A digit as a crisp drawing of `size` pixels on a sheet of `shape`: float (h, w), 0-255."""
    large = np.array(Image.fromarray(digit).resize((size, size), Image.Resampling.BICUBIC), float)
    # The edge of a stroke, which MNIST spreads over a pixel, is one pixel of the drawing wide.
    coverage = np.clip((large / 255 - 0.5) * size / 28 + 0.5, 0, 1)
    sheet = np.full(shape, float(paper))
    sheet[top : top + size, left : left + size] += coverage * (ink - paper)
    return sheet


def photograph(sheet, darkest=0.3, lamp=0, shadow=0, noise=6, seed=0):
    """A JPEG of the sheet in uneven light, with noise.

    The light falls off to `darkest` from one corner to the other, by `lamp` from the middle to all corners,
    and by `shadow` at once.
    """
    down, right = np.mgrid[0 : 1 : sheet.shape[0] * 1j, 0 : 1 : sheet.shape[1] * 1j]
    light = 1 - (1 - darkest) * (down + right) / 2
    light *= 1 - lamp * 2 * ((down - 0.5) ** 2 + (right - 0.5) ** 2)
    light *= np.where(right - down / 2 > 0.4, 1 - shadow, 1)
    photo = ndimage.gaussian_filter(sheet * light, 1.5)
    photo += np.random.default_rng(seed).normal(0, noise, sheet.shape)
    return encode(photo, "JPEG", quality=70)


def centre_of_mass(digit):
    return np.array(ndimage.center_of_mass(digit))


def extent(digit):
    """Height and width of the ink."""
    return [np.ptp(np.flatnonzero(digit.any(axis=axis))) + 1 for axis in (1, 0)]


@pytest.fixture(scope="module")
def labels_of():
    """What the baseline network, which has seen nothing but MNIST, takes digits for."""
    from stages.shared.quiet_keras import keras

    network = keras.saving.load_model(ROOT / "benchmarks/baseline.keras", compile=False)
    return lambda digits: network.predict(np.stack(digits), verbose=0).argmax(axis=1).tolist()


# As MNIST would have it


@pytest.mark.parametrize("digit", DIGITS)
def test_a_digit_of_mnist_gets_its_own_pixels(digit):
    np.testing.assert_array_equal(read_digit(encode(digit)), digit)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "I;16"])
def test_a_digit_of_mnist_gets_its_own_pixels_in_every_mode(mode):
    picture = Image.fromarray(SEVEN.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(SEVEN)
    np.testing.assert_array_equal(read_digit(encode(picture.convert(mode))), SEVEN)


@pytest.mark.parametrize("digit", DIGITS)
def test_a_drawing_is_scaled_to_20_pixels_and_centred_by_mass(digit):
    image = read_digit(encode(draw(digit)))
    assert (image.shape, image.dtype) == ((28, 28), np.uint8)
    assert max(extent(image)) == 20
    # As in MNIST itself: whole pixels to either side of row and column 14.
    np.testing.assert_allclose(centre_of_mass(image), 14, atol=0.51)
    assert np.corrcoef(image.ravel(), digit.ravel())[0, 1] > 0.8


def test_the_aspect_is_kept():
    bar = np.full((300, 300), 255.0)
    bar[50:250, 100:150] = 0
    np.testing.assert_allclose(extent(read_digit(encode(bar))), [20, 5], atol=1)


@pytest.mark.parametrize(("top", "left"), [(0, 0), (100, 180), (5, 150)])
def test_the_place_on_the_sheet_makes_no_difference(top, left):
    middle, elsewhere = (draw(SEVEN, 200, (300, 380), *place) for place in [(50, 90), (top, left)])
    np.testing.assert_allclose(read_digit(encode(elsewhere)), read_digit(encode(middle)), atol=3)


def test_light_ink_on_a_dark_sheet_makes_no_difference():
    expected = read_digit(encode(draw(SEVEN)))
    np.testing.assert_allclose(read_digit(encode(255 - draw(SEVEN))), expected, atol=3)


def test_transparent_parts_are_white_paper():
    sheet = draw(SEVEN)
    black = Image.new("L", (500, 400))
    ink = Image.merge("LA", [black, Image.fromarray((255 - sheet).astype(np.uint8))])
    expected = read_digit(encode(sheet))
    for mode in ("LA", "RGBA"):
        np.testing.assert_allclose(read_digit(encode(ink.convert(mode))), expected, atol=3)


def test_a_camera_held_sideways_makes_no_difference():
    sheet = draw(SEVEN)
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: the camera was turned a quarter to the left
    turned = encode(np.rot90(sheet), "JPEG", quality=95, exif=exif)
    np.testing.assert_allclose(read_digit(turned), read_digit(encode(sheet)), atol=20)


def test_16_bits_of_which_few_are_used_make_no_difference():
    sheet = draw(SEVEN)
    few = Image.fromarray((sheet * 4 + 30_000).astype(np.uint16))
    np.testing.assert_allclose(read_digit(encode(few)), read_digit(encode(sheet)), atol=2)


@pytest.mark.parametrize("file_format", FORMATS)
def test_every_format_that_is_offered_is_read(file_format):
    expected = read_digit(encode(draw(SEVEN)))
    difference = read_digit(encode(draw(SEVEN), file_format)).astype(float) - expected
    assert np.abs(difference).mean() < 3


# As people draw and photograph


SHEETS = {
    "drawing": lambda digit: encode(draw(digit)),
    "photo in uneven light": lambda digit: photograph(draw(digit, paper=220, ink=50)),
    "photo under a lamp": lambda digit: photograph(draw(digit, paper=220, ink=50), darkest=1, lamp=0.7),
    "photo with a shadow": lambda digit: photograph(draw(digit, paper=220, ink=50), darkest=0.8, shadow=0.4),
    "noisy photo": lambda digit: photograph(draw(digit, paper=220, ink=50), noise=20),
    "pencil": lambda digit: photograph(draw(digit, paper=220, ink=130), darkest=0.7),
    "chalk": lambda digit: photograph(draw(digit, paper=50, ink=200)),
    "small in a large photo": lambda digit: photograph(
        draw(digit, 300, (1500, 2000), 900, 200, paper=220, ink=50)
    ),
    "filling the picture": lambda digit: photograph(draw(digit, 400, (400, 400), 0, 0, paper=220, ink=50)),
    "inverted MNIST": lambda digit: encode(255 - digit),
    "tiny": lambda digit: encode(draw(digit, 20, (30, 40), 5, 12)),
    "ruled paper": lambda digit: photograph(
        draw(digit, paper=220, ink=50) - 40 * (np.arange(400) % 40 < 2)[:, None]
    ),
    "specks": lambda digit: photograph(
        draw(digit, paper=220, ink=50) * np.where(np.indices((400, 500)).max(axis=0) < 8, 0.2, 1)
    ),
}


@pytest.mark.parametrize("sheet", SHEETS)
def test_each_digit_gets_its_label_from(sheet, labels_of):
    assert labels_of([read_digit(SHEETS[sheet](digit)) for digit in DIGITS]) == list(range(10))


@pytest.mark.parametrize("width", [2, 4, 10, 20, 30])
def test_a_pen_of_any_width_leaves_strokes_as_wide_as_in_mnist(width):
    sheet = np.full((400, 400), 255.0)
    sheet[60:340, 200 - width // 2 : 200 + width // 2] = 0
    row = read_digit(encode(sheet))[14] / 255
    assert row.max() == 1
    assert 1 <= row.sum() <= 3


# Refused


BLANK = {
    "white": encode(np.full((200, 300), 255)),
    "black": encode(np.zeros((28, 28))),
    "transparent": encode(Image.new("RGBA", (200, 300))),
    "faint smudge": encode(np.pad(np.full((60, 60), 190), 70, constant_values=220)),
    "photo of blank paper": photograph(np.full((600, 800), 220.0)),
    "noisy photo of blank paper": photograph(np.full((600, 800), 220.0), noise=20),
    "grey noise": encode(np.random.default_rng(0).normal(128, 20, (64, 64))),
}


@pytest.mark.parametrize("sheet", BLANK)
def test_a_blank_picture_is_refused(sheet):
    with pytest.raises(PictureError, match="found a blank picture"):
        read_digit(BLANK[sheet])


def bomb(width, height):
    """A PNG of a few bytes that announces a picture of this size."""

    def chunk(name, content):
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [7_500, 12_000, 100_000])
def test_a_decompression_bomb_is_refused_by_its_header(side):
    with pytest.raises(PictureError, match="at most 50,000,000 pixels"):
        read_digit(bomb(side, side))


def test_a_file_too_large_is_refused_before_it_is_looked_at():
    with pytest.raises(PictureError, match="at most 16,777,216 bytes"):
        read_digit(encode(SEVEN) + bytes(MAX_BYTES))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"seven",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        encode(draw(SEVEN))[:500],
        encode(SEVEN, "PPM"),
        encode(SEVEN, "EPS"),
    ],
    ids=["empty", "text", "svg", "truncated", "ppm", "eps"],
)
def test_what_is_not_an_image_is_refused(content):
    with pytest.raises(
        PictureError, match=r"expected an image \(AVIF, .*WEBP\), found none or a damaged one"
    ):
        read_digit(content)


def test_a_picture_too_small_to_hold_a_digit_is_refused():
    with pytest.raises(PictureError, match="at least 8 x 8 pixels, found 100 x 7"):
        read_digit(encode(np.zeros((7, 100))))


@settings(deadline=None)  # a busy machine
@given(st.sampled_from([b"", b"\xff\xd8", encode(SEVEN)[:60], encode(SEVEN, "GIF")[:30]]), st.binary())
def test_no_bytes_make_it_fail_in_any_other_way(beginning, rest):
    with suppress(PictureError):
        read_digit(beginning + rest)


@settings(deadline=None)
@given(st.integers(8, 90), st.integers(8, 90), st.integers(0, 2**32), st.sampled_from([1, 2, 20, 255]))
def test_no_pixels_make_it_fail_in_any_other_way(height, width, seed, levels):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, levels, (height, width), dtype=np.uint8, endpoint=True)
    pixels[rng.random((height, width)) < rng.random()] = rng.integers(256)
    with suppress(PictureError):
        image = to_mnist(Image.fromarray(pixels))
        assert (image.shape, image.dtype) == ((28, 28), np.uint8)
        assert image.any()


# The command


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A project's folder with a trained network and two pictures."""
    (tmp_path / "models").mkdir()
    shutil.copy(ROOT / "benchmarks/baseline.keras", tmp_path / "models/model.keras")
    (tmp_path / "three.png").write_bytes(encode(DIGITS[3]))
    (tmp_path / "seven.jpg").write_bytes(photograph(draw(SEVEN, paper=220, ink=50)))
    (tmp_path / "notes.txt").write_text("seven")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def predict(folder, monkeypatch, capsys):
    """Run the command with these arguments: its exit code, output and errors."""

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["predict", *arguments])
        try:
            run(main)
            code = 0
        except SystemExit as exit:
            code = exit.code
        return code, *capsys.readouterr()

    return command


def test_each_file_gets_its_label_and_probability(predict):
    code, output, errors = predict("three.png", "seven.jpg")
    assert (code, errors) == (0, "")
    assert re.fullmatch(r"three\.png: 3 \(\d+\.\d%\)\nseven\.jpg: 7 \(\d+\.\d%\)\n", output)


def test_json_holds_all_ten_probabilities(predict):
    code, output, errors = predict("--json", "three.png", "seven.jpg")
    assert (code, errors) == (0, "")
    predictions = json.loads(output)
    assert [prediction["file"] for prediction in predictions] == ["three.png", "seven.jpg"]
    assert [prediction["label"] for prediction in predictions] == [3, 7]
    for prediction in predictions:
        assert len(prediction["probabilities"]) == 10
        assert sum(prediction["probabilities"]) == pytest.approx(1, abs=1e-4)
        assert prediction["probability"] == prediction["probabilities"][prediction["label"]]


def test_files_that_cannot_be_used_are_named_and_the_others_predicted(predict):
    code, output, errors = predict("notes.txt", "three.png", "missing.png", "models")
    assert code == 1
    assert output.startswith("three.png: 3")
    assert errors.splitlines() == [
        f"error: notes.txt: expected an image ({', '.join(FORMATS)}), found none or a damaged one",
        "error: missing.png: No such file or directory",
        "error: models: Is a directory",
    ]


def test_json_stays_json_when_no_file_can_be_used(predict):
    code, output, errors = predict("--json", "notes.txt")
    assert (code, json.loads(output)) == (1, [])
    assert errors.count("\n") == 1


@pytest.mark.parametrize("damage", ["missing", "not a network"])
def test_without_a_network_it_says_how_to_make_one(folder, predict, damage):
    (folder / "models/model.keras").unlink()
    if damage != "missing":
        (folder / "models/model.keras").write_bytes(b"not a network")
    code, output, _ = predict("three.png")
    assert code.startswith("error: models/model.keras is missing or damaged")
    assert "dvc repro" in code
    assert output == ""


def test_no_file_is_a_usage_error(predict):
    code, _, errors = predict()
    assert code == 2
    assert "usage: python -m stages.predict" in errors


def test_from_a_shell_it_prints_nothing_else(folder):
    process = subprocess.run(
        [sys.executable, "-m", "stages.predict", "three.png", "missing.png"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 1
    assert process.stdout.startswith("three.png: 3 (")
    assert process.stdout.count("\n") == 1
    assert process.stderr == "error: missing.png: No such file or directory\n"

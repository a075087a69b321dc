"""Whatever a digit was drawn with, photographed on or saved as, the network gets it as MNIST would have it,
or the user a reason why not."""

import base64
import sys
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import DIGITS, draw, encode, photograph
from PIL import Image
from scipy import ndimage

from mnist_moved.data.pictures import FORMATS, MAX_BYTES, PictureError, data_url, decode, read_digit, to_mnist

SEVEN = DIGITS[7]
DRAWING = draw(SEVEN, 200, (300, 380), 50, 90)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "I;16"])
def test_a_digit_of_mnist_keeps_its_own_pixels(mode):
    for digit in DIGITS:
        picture = Image.fromarray(digit.astype(np.uint16) * 257 if mode == "I;16" else digit)
        np.testing.assert_array_equal(read_digit(encode(picture.convert(mode))).image, digit)


@pytest.mark.parametrize("digit", DIGITS)
def test_a_drawing_is_scaled_to_20_pixels_and_centred_by_mass(digit):
    image = read_digit(encode(draw(digit))).image
    assert (image.shape, image.dtype) == ((28, 28), np.uint8)
    assert max(np.ptp(np.argwhere(image), axis=0) + 1) == 20
    # As in MNIST itself: whole pixels to either side of row and column 14.
    np.testing.assert_allclose(ndimage.center_of_mass(image), 14, atol=0.51)
    assert np.corrcoef(image.ravel(), digit.ravel())[0, 1] > 0.8


@pytest.mark.parametrize("width", [2, 4, 10, 20, 30])
def test_a_pen_of_any_width_leaves_strokes_as_wide_as_in_mnist(width):
    sheet = np.full((400, 400), 255.0)
    sheet[60:340, 200 - width // 2 : 200 + width // 2] = 0
    row = read_digit(encode(sheet)).image[14] / 255
    assert row.max() == 1
    assert 1 <= row.sum() <= 3


INK = Image.fromarray((255 - DRAWING).astype(np.uint8))
SIDEWAYS = Image.Exif()
SIDEWAYS[0x0112] = 6  # orientation: the camera was turned a quarter to the left
SAME = {
    "in a corner of the sheet": (encode(draw(SEVEN, 200, (300, 380), 100, 180)), 3),
    "light on a dark sheet": (encode(255 - DRAWING), 3),
    "on transparent paper": (encode(Image.merge("LA", [Image.new("L", INK.size), INK])), 3),
    "in few of 16 bits": (encode(Image.fromarray((DRAWING * 4 + 30_000).astype(np.uint16))), 2),
    "held sideways": (encode(np.rot90(DRAWING), "JPEG", quality=95, exif=SIDEWAYS), 20),
    **{f"in {name}": (encode(DRAWING, name), 20) for name in FORMATS},
}


@pytest.mark.parametrize("how", SAME)
def test_a_digit_is_the_same(how):
    content, tolerance = SAME[how]
    np.testing.assert_allclose(read_digit(content).image, read_digit(encode(DRAWING)).image, atol=tolerance)


def cut_out(sheet, margin=0):
    rows, columns = (np.flatnonzero((sheet < 128).any(axis=axis)) for axis in (1, 0))
    return np.pad(sheet[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], margin, constant_values=255)


def with_lines(sheet, *places, ink=0):
    sheet = sheet.copy()
    for place in places:
        sheet[place] = ink
    return sheet


AROUND = (np.s_[:8], np.s_[-8:], np.s_[:, :8], np.s_[:, -8:])
ROWS, COLUMNS = np.ogrid[:400, :500]
PRESSURE = np.linspace(0.15, 1, 500)
WHITE_ON_NOTHING = Image.merge("LA", [Image.new("L", INK.size, 255), INK])
SPOILT = {
    "cut out with no margin": lambda sheet: cut_out(sheet),
    "cut out of a dark sheet": lambda sheet: 255 - cut_out(sheet),
    "in a frame": lambda sheet: with_lines(sheet, *AROUND),
    "in a frame with paper around it": lambda sheet: with_lines(
        sheet,
        *(np.s_[20 + y : 28 + y, 20:480] for y in (0, 352)),
        *(np.s_[20:380, 20 + x : 28 + x] for x in (0, 452)),
    ),
    "in a circle": lambda sheet: np.where(abs(np.hypot(ROWS - 200, COLUMNS - 250) - 190) < 4, 0, sheet),
    "in part of a frame": lambda sheet: with_lines(sheet, np.s_[4:12], np.s_[:, 490:]),
    "on a dark table": lambda sheet: with_lines(sheet, np.s_[:, :40], ink=30),
    "of a sheet on a wide dark table": lambda sheet: np.pad(sheet, 200, constant_values=40),
    "half in a shadow": lambda sheet: with_lines(sheet, np.s_[:, 250:], ink=0.6 * sheet[:, 250:]),
    "of an uneven pen": lambda sheet: 255 - (255 - sheet) * PRESSURE,
    "faint, with a dark dot": lambda sheet: with_lines(255 - (255 - sheet) * 0.35, np.s_[120:128, 200:208]),
}


@pytest.mark.parametrize("how", SPOILT)
@pytest.mark.parametrize("digit", [2, 5, 7, 8])
def test_a_digit_is_found_although_its_picture_is(how, digit):
    sheet = draw(DIGITS[digit])
    expected, found = (read_digit(encode(each)).image for each in (sheet, SPOILT[how](sheet)))
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.9


@pytest.mark.parametrize("digit", range(10))
def test_a_small_scan_that_a_digit_fills_needs_no_margin(digit):
    cut = Image.fromarray(cut_out(draw(DIGITS[digit])).astype(np.uint8))
    scan = np.where(np.asarray(cut.resize((16, 16), Image.Resampling.BOX)) < 128, 0, 255)
    expected, found = (
        read_digit(encode(each)).image for each in (np.pad(scan, 8, constant_values=255), scan)
    )
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.95


def test_light_strokes_on_nothing_are_ink():
    found = read_digit(encode(WHITE_ON_NOTHING)).image
    np.testing.assert_allclose(found, read_digit(encode(DRAWING)).image, atol=20)


def test_what_phones_write_is_read_if_its_package_is_there(monkeypatch):
    pytest.importorskip("pillow_heif").register_heif_opener()
    content = encode(DRAWING, "HEIF", quality=95)
    np.testing.assert_allclose(read_digit(content).image, read_digit(encode(DRAWING)).image, atol=20)
    with pytest.raises(PictureError, match="found none or a damaged one"):
        read_digit(content[:200])
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(PictureError, match=r"HEIC needs .*requirements-formats\.txt; or save .* as JPEG"):
        read_digit(content)


def beside(one, other, gap=30, shape=(400, 700)):
    """Two sheets with a digit each as one, so many pixels between their ink."""
    sheet, left = np.full(shape, 255.0), 20
    for each in (one, other):
        ink = each[np.ix_((each < 200).any(axis=1), (each < 200).any(axis=0))]
        sheet[40 : 40 + ink.shape[0], left : left + ink.shape[1]] = ink
        left += ink.shape[1] + gap
    return sheet


@pytest.mark.parametrize("gap", [10, 100])
def test_two_digits_beside_each_other_are_noticed(gap):
    sheets = [encode(beside(draw(digit), draw(SEVEN, 220), gap)) for digit in DIGITS]
    for content in [*sheets, photograph(beside(draw(DIGITS[4]), draw(DIGITS[2]), gap))]:
        assert read_digit(content).several


SINGLE = [
    DRAWING,
    np.where(abs(ROWS - 200) < 5, 255, draw(DIGITS[8])),  # with a gap from left to right
    np.where(abs(COLUMNS - 278) < 4, 255, draw(DIGITS[5])),  # with its bar apart
    beside(DRAWING, draw(SEVEN, 60)),  # a dot
    beside(DRAWING, np.zeros((80, 20))),  # a short stroke
]


@pytest.mark.parametrize("sheet", SINGLE)
def test_a_single_digit_is_not_taken_for_two(sheet):
    assert not read_digit(encode(sheet)).several


BLANK = "expected ink on paper, with some paper around it, found a blank picture"
NO_IMAGE = r"expected an image \(AVIF, .*WEBP\), found none or a damaged one"
REFUSED = {
    "black": (encode(np.zeros((28, 28))), BLANK),
    "transparent": (encode(Image.new("RGBA", (200, 300))), BLANK),
    "faint smudge": (encode(np.pad(np.full((60, 60), 190), 70, constant_values=220)), BLANK),
    "noisy photo of paper": (photograph(np.full((600, 800), 220), noise=20), BLANK),
    "half a png": (encode(DRAWING)[:500], NO_IMAGE),
    "part of a tiff": (encode(SEVEN, "TIFF")[:100], NO_IMAGE),
    "eps": (encode(SEVEN, "EPS"), NO_IMAGE),
    "bomb": (encode(Image.new("1", (7_500, 7_500))), "expected at most 50,000,000 pixels, found more"),
    "huge bomb": (encode(Image.new("1", (15_000, 7_500))), "expected at most 50,000,000 pixels, found more"),
    "large file": (encode(SEVEN) + bytes(MAX_BYTES), "expected at most 16,777,216 bytes, found more"),
    "small picture": (encode(np.zeros((7, 100))), "expected at least 8 x 8 pixels, found 100 x 7"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_holds_no_digit_is_refused_with_the_reason_and_nothing_else(name, recwarn):
    content, reason = REFUSED[name]
    with pytest.raises(PictureError, match=reason):
        read_digit(content)
    assert not recwarn.list


@pytest.mark.parametrize("picture", [SEVEN, encode(SEVEN)])
def test_a_data_url_holds_the_picture_as_a_png(picture):
    head, content = data_url(picture).split(",")
    assert head == "data:image/png;base64"
    np.testing.assert_array_equal(decode(base64.b64decode(content, validate=True), 28), SEVEN)


@settings(deadline=None)
@given(st.integers(8, 90), st.integers(8, 90), st.integers(0, 2**32), st.sampled_from([1, 2, 20, 255]))
def test_whatever_the_pixels_they_make_an_image_or_are_refused(height, width, seed, levels):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, levels, (height, width), dtype=np.uint8, endpoint=True)
    pixels[rng.random((height, width)) < rng.random()] = rng.integers(256)
    with suppress(PictureError):
        image = to_mnist(Image.fromarray(pixels)).image
        assert (image.shape, image.dtype, image.any()) == ((28, 28), np.uint8, True)

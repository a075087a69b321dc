"""Pictures of digits, as people draw, photograph and scan them, turned into what the network reads."""

import base64
import io
import warnings
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps
from scipy import ndimage

from mnist_moved.data.blots import crop, cut_out, find_blots, find_digits, find_sheet, without_frame
from mnist_moved.data.idx import SIDE
from mnist_moved.data.ink import PictureError, border, find_ink

# What cameras, scanners and drawing programs write. Pillow reads thirty more formats, one of them by starting
# another program, and a picture may come from anywhere.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
HEIC = (b"ftypheic", b"ftypheix", b"ftyphevc", b"ftypmif1")  # after four bytes; what iPhones write
MAX_BYTES = 2**24
MAX_PIXELS = 50_000_000  # as phone cameras make; a file of a few kilobytes can hold a thousand times as many
MIN_SIDE = 8  # pixels
DIGIT_SIDE = 384  # pixels: enough for a digit a tenth as high as the picture
PAGE_SIDE = 1600  # pixels: enough for one of 5 mm on a sheet of A4

BOX = 20  # pixels: of the longest side of a digit in MNIST; data/datasets.py has that of others


class Reading(NamedTuple):
    """What the network reads, uint8 (28, 28), 0 = background, 255 = ink; and whether there seem to be several
    digits in the picture, which it reads as one."""

    image: np.ndarray
    several: bool = False


SEVERAL = (
    "there seem to be several things, and all are read as one; give each a picture of its own, or read them"
    " with `python -m scripts.predict --page`"
)


class OnPage(NamedTuple):
    """One digit of a page: what the network reads, uint8 (28, 28); and where it lies: left, top, right and
    bottom as shares of the width and the height of the picture."""

    image: np.ndarray
    box: tuple[float, float, float, float]


def read_digit(content: bytes, box: int = BOX) -> Reading:
    """Turn an image file into what the network reads; box: pixels of the longest side of what it shows.

    Raises PictureError if the file is not an image, too large or too small, or blank.
    """
    return to_mnist(decode(content, DIGIT_SIDE), box)


def read_page(content: bytes, box: int = BOX) -> list[list[OnPage]]:
    """Find every digit on a page of many: rows from top to bottom, in each from left to right.

    Raises PictureError as `read_digit` does.
    """
    ink = without_frame(picture_ink(decode(content, PAGE_SIDE)))
    numbers, area, boxes = find_blots(ink)
    size = np.tile(ink.shape[::-1], 2)
    rows = []
    for row in find_digits(ink):
        rows.append([])
        for pieces in row:
            chosen = np.isin(np.arange(area.size), pieces)
            top, left = boxes[pieces, :2].min(axis=0)
            bottom, right = boxes[pieces, 2:].max(axis=0)
            here = np.s_[top:bottom, left:right]
            image = lay_out(cut_out(ink[here], numbers[here], chosen), box)
            rows[-1].append(OnPage(image, tuple(np.divide([left, top, right, bottom], size).tolist())))
    return rows


def decode(content: bytes, side: int) -> Image.Image:
    """Decode an image file to 8-bit greyscale (mode L), upright, on paper where it is transparent, and shrunk
    to at most so many pixels a side.

    Raises PictureError if it is not an image or too large, which its header tells before it is decoded.
    """
    if len(content) > MAX_BYTES:
        raise PictureError(f"expected at most {MAX_BYTES:,} bytes, found more; save it smaller")
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    try:
        with warnings.catch_warnings(action="ignore"):  # what Pillow has to say of damaged files
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(content), formats=formats_for(content))
            picture.draft("L", (side, side))  # no large JPEG is decoded at its full size
            picture = to_grey(ImageOps.exif_transpose(picture))
            picture.thumbnail((side, side))
            return picture
    except PictureError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise PictureError(f"expected at most {MAX_PIXELS:,} pixels, found more; save it smaller") from None
    # Any exception: on a malformed file Pillow's decoders raise a dozen types, most of them undocumented.
    except Exception as error:
        expected = f"expected an image ({', '.join(FORMATS)})"
        raise PictureError(f"{expected}, found none or a damaged one") from error


def formats_for(content: bytes) -> tuple[str, ...]:
    """The formats that Pillow may take a file for; PictureError if it needs another package for it."""
    if content[4:12] not in HEIC:
        return FORMATS
    try:
        import pillow_heif
    except ImportError:
        raise PictureError(
            "HEIC needs another package: pip install -r requirements-formats.txt; or save the picture as JPEG"
        ) from None
    pillow_heif.register_heif_opener()
    return ("HEIF",)


def to_grey(picture: Image.Image) -> Image.Image:
    """Convert a picture of any mode to mode L; what is transparent becomes white paper, or black if the rest
    is light."""
    if picture.mode.startswith("I"):
        # 16 bits a pixel, of which a camera or a scanner fills only some.
        levels = np.asarray(picture, np.float32)
        levels = levels - levels.min()
        return Image.fromarray(np.rint(255 / max(levels.max(), 1) * levels).astype(np.uint8))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        grey, opacity = (np.asarray(channel, float) for channel in picture.convert("LA").split())
        light = (grey * opacity).sum() > 127.5 * opacity.sum()
        paper = Image.new("RGBA", picture.size, "black" if light else "white")
        picture = Image.alpha_composite(paper, picture)
    return picture.convert("L")


def to_mnist(picture: Image.Image, box: int = BOX) -> Reading:
    """Make of a picture (mode L) what MNIST would have made of it.

    As in LeCun et al. 1998 (https://doi.org/10.1109/5.726791, section III.A), the digit is scaled to fit a
    box, there of 20 x 20 pixels, and its centre of mass moved to the middle of the image. A picture of
    28 x 28 pixels with a black border is such an image already, and returned as it is.

    Raises PictureError if the picture is too small or blank.
    """
    pixels = np.array(picture)
    # The median, because in one of a hundred images of MNIST the digit reaches the border.
    if pixels.shape == (SIDE, SIDE) and np.median(pixels[border(pixels)]) == 0 and pixels.any():
        return Reading(pixels)
    ink = without_frame(picture_ink(picture))
    return Reading(lay_out(crop(ink), box), sum(map(len, find_digits(ink))) > 1)


def picture_ink(picture: Image.Image) -> np.ndarray:
    """Tell ink from paper as `find_ink` does, on a sheet if there is one on something else; PictureError also
    if the picture (mode L) is too small."""
    if min(picture.size) < MIN_SIDE:
        found = " x ".join(map(str, picture.size))
        raise PictureError(f"expected at least {MIN_SIDE} x {MIN_SIDE} pixels, found {found}")
    grey = np.array(picture, np.float32)
    ink = find_ink(grey)
    if sheet := find_sheet(ink):
        ink = np.zeros_like(ink)
        ink[sheet] = find_ink(grey[sheet])
    return ink


def lay_out(ink: np.ndarray, box: int = BOX) -> np.ndarray:
    """Scale and centre ink as MNIST's is; ink: float (h, w), 0 = paper, 1 = ink; returns uint8 (28, 28)."""
    rows, columns = (np.flatnonzero((ink > 0.1).any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return np.zeros((SIDE, SIDE), np.uint8)
    return centre(fit_box(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], box))


def fit_box(ink: np.ndarray, box: int) -> np.ndarray:
    """Scale ink to so many pixels on its longest side: float32, 0 to 1."""
    height, width = (max(round(side * box / max(ink.shape)), 1) for side in ink.shape)
    ink = np.asarray(Image.fromarray(np.float32(ink)).resize((width, height), Image.Resampling.BICUBIC)).clip(
        0
    )
    # A thin pen leaves grey lines two pixels wide. In white they are as thick as MNIST's.
    return np.clip(ink / np.percentile(ink[ink > ink.max() / 10], 70), 0, 1)


def centre(ink: np.ndarray) -> np.ndarray:
    """Lay ink on an empty image with its centre of mass in the middle: uint8 (28, 28)."""
    room = np.subtract(SIDE, ink.shape)
    top, left = np.clip(np.rint(np.subtract(SIDE / 2, ndimage.center_of_mass(ink))), 0, room).astype(int)
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[top : top + ink.shape[0], left : left + ink.shape[1]] = np.rint(255 * ink)
    return image


def data_url(picture: bytes | np.ndarray) -> str:
    """A PNG, or an image, uint8 (h, w), as one, in an address that holds all of it, for a page of its own."""
    if isinstance(picture, np.ndarray):
        png = io.BytesIO()
        Image.fromarray(picture).save(png, "PNG")
        picture = png.getvalue()
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"

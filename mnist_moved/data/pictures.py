"""Pictures of digits, as people draw, photograph and scan them, turned into what the network reads."""

import base64
import io
import warnings
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps
from scipy import ndimage

from mnist_moved.data.idx import SIDE

# What cameras, scanners and drawing programs write. Pillow reads thirty more formats, one of them by starting
# another program, and a picture may come from anywhere.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
MAX_BYTES = 2**24
MAX_PIXELS = 50_000_000  # as phone cameras make; a file of a few kilobytes can hold a thousand times as many
MIN_SIDE = 8  # pixels

BOX = 20  # pixels: of the longest side of a digit in MNIST; data/datasets.py has that of others

WORKING_SIDE = 384  # pixels: enough for a digit a tenth as high as the picture
# On blank paper, a soft shadow makes up to 40 grey levels of contrast, noise 5 times its standard deviation.
MIN_CONTRAST = 40
MIN_SIGNAL_TO_NOISE = 6


class PictureError(Exception):
    """The reason, in one line, why a picture cannot be used."""


class Reading(NamedTuple):
    """What the network reads, uint8 (28, 28), 0 = background, 255 = ink; and whether there seem to be several
    digits in the picture, which it reads as one."""

    image: np.ndarray
    several: bool = False


SEVERAL = "there seem to be several things, and all are read as one; give each a picture of its own"


def read_digit(content: bytes, box: int = BOX) -> Reading:
    """Turn an image file into what the network reads; box: pixels of the longest side of what it shows.

    Raises PictureError if the file is not an image, too large or too small, or blank.
    """
    return to_mnist(decode(content), box)


def decode(content: bytes) -> Image.Image:
    """Decode an image file to 8-bit greyscale (mode L), upright, on white where it is transparent.

    Raises PictureError if it is not an image or too large, which its header tells before it is decoded.
    """
    if len(content) > MAX_BYTES:
        raise PictureError(f"expected at most {MAX_BYTES:,} bytes, found more; save it smaller")
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    try:
        with warnings.catch_warnings(action="ignore"):  # what Pillow has to say of damaged files
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(content), formats=FORMATS)
            picture.draft("L", (WORKING_SIDE, WORKING_SIDE))  # no large JPEG is decoded at its full size
            return to_grey(ImageOps.exif_transpose(picture))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise PictureError(f"expected at most {MAX_PIXELS:,} pixels, found more; save it smaller") from None
    # Any exception: on a malformed file Pillow's decoders raise a dozen types, most of them undocumented.
    except Exception as error:
        expected = f"expected an image ({', '.join(FORMATS)})"
        raise PictureError(f"{expected}, found none or a damaged one") from error


def to_grey(picture: Image.Image) -> Image.Image:
    """Convert a picture of any mode to mode L, as it would look on white paper."""
    if picture.mode.startswith("I"):
        # 16 bits a pixel, of which a camera or a scanner fills only some.
        levels = np.asarray(picture, np.float32)
        levels = levels - levels.min()
        return Image.fromarray(np.rint(255 / max(levels.max(), 1) * levels).astype(np.uint8))
    if picture.has_transparency_data:
        paper = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(paper, picture.convert("RGBA"))
    return picture.convert("L")


def to_mnist(picture: Image.Image, box: int = BOX) -> Reading:
    """Make of a picture (mode L) what MNIST would have made of it.

    As in LeCun et al. 1998 (https://doi.org/10.1109/5.726791, section III.A), the digit is scaled to fit a
    box, there of 20 x 20 pixels, and its centre of mass moved to the middle of the image. A picture of
    28 x 28 pixels with a black border is such an image already, and returned as it is.

    Raises PictureError if the picture is too small or blank.
    """
    if min(picture.size) < MIN_SIDE:
        found = " x ".join(map(str, picture.size))
        raise PictureError(f"expected at least {MIN_SIDE} x {MIN_SIDE} pixels, found {found}")
    pixels = np.array(picture)
    # The median, because in one of a hundred images of MNIST the digit reaches the border.
    if pixels.shape == (SIDE, SIDE) and np.median(pixels[border(pixels)]) == 0 and pixels.any():
        return Reading(pixels)
    picture.thumbnail((WORKING_SIDE, WORKING_SIDE))
    ink = find_ink(np.array(picture, np.float32))
    return Reading(centre(fit_box(crop(ink), box)), several_digits(ink))


def border(pixels: np.ndarray) -> np.ndarray:
    """Return a mask of the outermost pixels."""
    mask = np.ones(pixels.shape, bool)
    mask[1:-1, 1:-1] = False
    return mask


def find_ink(grey: np.ndarray) -> np.ndarray:
    """Tell ink from paper, whichever is darker, in uneven light: float32 (h, w), 0 = paper, 1 = ink.

    Raises PictureError if nothing stands out from the paper.
    """
    # For normal noise, the median difference of two pixels is 0.95 standard deviations.
    noise = np.median(np.abs(np.diff(grey.ravel()))) / 0.95
    grey = ndimage.gaussian_filter(grey, max(grey.shape) / WORKING_SIDE)

    # The border is paper. Light, and with it the paper, varies as a quadratic in the place: fitted to the
    # border and taken away, it leaves the paper at 0, and the ink as what departs farthest from it.
    row, column = np.indices(grey.shape, np.float32) / max(grey.shape)
    terms = np.stack([np.ones_like(grey), row, column, row**2, row * column, column**2], axis=-1)
    at_border = border(grey)
    light, *_ = np.linalg.lstsq(terms[at_border], grey[at_border])
    contrast = grey - terms @ light
    if -contrast.min() > contrast.max():
        contrast = -contrast

    if contrast.max() < max(MIN_CONTRAST, MIN_SIGNAL_TO_NOISE * noise):
        raise PictureError("expected ink on paper, found a blank picture")
    # Below 0.3 of the full contrast lie noise, ruled lines and shadows; above 0.7, all is ink.
    return np.clip((contrast / contrast.max() - 0.3) / 0.4, 0, 1)


def find_blots(ink: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number the pieces of connected ink: each pixel's number, 0 = paper, and each piece's area."""
    blots, _ = ndimage.label(ink > 0.5, structure=np.ones((3, 3)))
    area = np.bincount(blots.ravel())
    area[0] = 0
    return blots, area


def several_digits(ink: np.ndarray) -> bool:
    """Do the two largest blots look like two digits: one beside the other, and hardly smaller?

    A single digit may be in pieces, but those lie above each other or are much smaller. Tried on drawings of
    MNIST's training digits: 5 of 20,000 were taken for two, and 99 of 100 pairs with a gap were found.
    """
    blots, area = find_blots(ink)
    first, *others = np.argsort(area)[::-1]
    if area.size < 3 or area[others[0]] < area[first] / 5:
        return False
    boxes = ndimage.find_objects(blots)
    (rows, columns), (other_rows, other_columns) = boxes[first - 1], boxes[others[0] - 1]
    beside = columns.stop <= other_columns.start or other_columns.stop <= columns.start
    heights = sorted((rows.stop - rows.start, other_rows.stop - other_rows.start))
    return bool(beside and heights[0] >= 0.6 * heights[1])


def crop(ink: np.ndarray) -> np.ndarray:
    """Cut ink out by its bounding box, without specks: blots of less than a tenth of the largest's area."""
    blots, area = find_blots(ink)
    digit = (area >= area.max() / 10)[blots]
    soft_edge = ndimage.binary_dilation(digit, np.ones((3, 3)))
    [box] = ndimage.find_objects(digit.astype(int))
    return (ink * soft_edge)[box]


def fit_box(ink: np.ndarray, box: int) -> np.ndarray:
    """Scale ink to so many pixels on its longest side: float32, 0 to 1."""
    height, width = (max(round(side * box / max(ink.shape)), 1) for side in ink.shape)
    ink = np.asarray(Image.fromarray(ink).resize((width, height), Image.Resampling.BILINEAR))
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

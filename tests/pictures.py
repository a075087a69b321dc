"""Pictures that tests show to the page, the library and the command: drawings, photos, and worse.
digits.png holds the first 0, 1, ... 9 of the MNIST test set side by side."""

import io
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

with Image.open(Path(__file__).with_name("digits.png")) as strip:
    DIGITS = np.array(strip).reshape(28, 10, 28).swapaxes(0, 1)  # uint8 (10, 28, 28)


def encode(picture, file_format="PNG", **options):
    """A picture, as Pillow or NumPy have it, as the bytes of an image file."""
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


def photograph(sheet, darkest=0.3, lamp=0, shadow=0, noise=6):
    """A noisy JPEG of the sheet, in light that falls off to `darkest` from one corner to the other, by `lamp`
    from the middle to all corners, and by `shadow` at once."""
    down, right = np.mgrid[0 : 1 : sheet.shape[0] * 1j, 0 : 1 : sheet.shape[1] * 1j]
    light = 1 - (1 - darkest) * (down + right) / 2
    light *= 1 - lamp * 2 * ((down - 0.5) ** 2 + (right - 0.5) ** 2)
    light *= np.where(right - down / 2 > 0.4, 1 - shadow, 1)
    photo = ndimage.gaussian_filter(sheet * light, 1.5)
    photo += np.random.default_rng(0).normal(0, noise, sheet.shape)
    return encode(photo, "JPEG", quality=70)

"""Alterations of MNIST digits, each a NumPy function on a whole batch: images in, altered images out.

`reposition` lays the digit on a larger canvas, moves it and shrinks the canvas back to 28 x 28. Fifteen
others follow the families of MNIST-C (Mu and Gilmer 2019, https://arxiv.org/abs/1906.02337), redefined for
batches: the same faults at comparable default strengths, not the same bytes. `random_filter` is to train on.
`augment` perturbs training images, each by one kind at most.

    altered, drawn = perturb(images, "rotate", np.random.default_rng(42), degrees=30.0)

The contract of a kind, `kind(images, rng, **strengths) -> (altered, drawn)`:

- `images`: uint8, shape (n, 28, 28), 0 = background, 255 = ink, n >= 0. It is never written to.
- A strength is a keyword in a natural unit, with a default and, as its annotation, the range that params.yaml
  may ask for and, unless its name says it, the unit. A call passes one number for all images, or an array of
  shape (n,), one number an image.
- `altered`: a new uint8 array of the same shape.
- `drawn`: name -> array of shape (n,), the random parameters by which someone may want to break an accuracy
  down; empty where the kind's docstring names none.
- Random numbers come from one call to `rng` whose first axis is the image, or that reads the stream image
  after image, and no image sees another. So a batch gives the same bytes as its images one at a time, the
  first k images do not depend on n, and `perturb` may work in chunks.

To add a kind, write such a function here and decorate it with `@kind`: the schema of params.yaml and the
tests find it in `KINDS`.
"""

import inspect
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, get_origin

import numpy as np
from annotated_types import Interval

from robustness.command import UserError
from robustness.mnist import SIDE

PIXELS = np.arange(SIDE, dtype=np.float32)
ROWS, COLUMNS = PIXELS[:, None], PIXELS[None, :]

# 128 float32 images are 400 kB: the few temporaries of a kind stay in a core's cache.
CHUNK = 128

Strength = float | np.ndarray
Perturbed = tuple[np.ndarray, dict[str, np.ndarray]]

KINDS: dict[str, Callable[..., Perturbed]] = {}


def kind(function: Callable[..., Perturbed]) -> Callable[..., Perturbed]:
    """Enter `function` in `KINDS` under its own name; UserError if it is not called as the contract says."""
    signature = inspect.signature(function)
    images_and_rng, strengths = [*signature.parameters][:2], [*signature.parameters.values()][2:]
    if images_and_rng != ["images", "rng"] or not all(
        get_origin(each.annotation) is Annotated and each.default != each.empty for each in strengths
    ):
        raise UserError(
            f"{inspect.getsourcefile(function)}: {function.__name__}: expected (images, rng, STRENGTH:"
            f" Annotated[float, Interval(ge=LOW, le=HIGH)] = DEFAULT, ...), found {signature}"
        )
    KINDS[function.__name__] = function
    return function


class Range(NamedTuple):
    """What may be asked of a strength: from `low` to `high`, or else `default`; and in what unit."""

    low: float
    high: float
    default: float
    unit: str = ""  # "" where the name of the strength says it


def ranges(kind: str) -> dict[str, Range]:
    """The strengths of a kind, by name, from its signature; KeyError if there is no such kind."""
    strengths = {}
    for each in list(inspect.signature(KINDS[kind]).parameters.values())[2:]:
        limits, *unit = each.annotation.__metadata__
        strengths[each.name] = Range(limits.ge, limits.le, each.default, *unit)
    return strengths


def perturb(images: np.ndarray, kind: str, rng: np.random.Generator, **strengths: Strength) -> Perturbed:
    """Apply the kind of that name to any number of images, chunk by chunk: the same bytes in less memory.

    Raises KeyError if there is no such kind, ValueError where the kind does.
    """
    altered = np.empty_like(images)
    drawn = []
    for start in range(0, max(len(images), 1), CHUNK):
        chunk = slice(start, start + CHUNK)
        part = {name: value[chunk] if np.ndim(value) else value for name, value in strengths.items()}
        altered[chunk], chunk_drawn = KINDS[kind](images[chunk], rng, **part)
        drawn.append(chunk_drawn)
    return altered, {name: np.concatenate([chunk[name] for chunk in drawn]) for name in drawn[0]}


def augment(
    images: np.ndarray, rng: np.random.Generator, augmentation: dict[str, dict[str, Any]]
) -> np.ndarray:
    """Perturb each image by at most one kind, drawn by the kinds' probabilities, at a strength within bounds.

    images: uint8 (n, 28, 28); augmentation: {KIND: {"probability": P, STRENGTH: [LOW, HIGH], ...}}. One
    perturbation on top of another would leave digits that nobody can read, and fewer that are as they were.
    """
    images = images.copy()
    share = rng.random(len(images))
    for kind, setting in augmentation.items():
        chosen = np.flatnonzero((share >= 0) & (share < setting["probability"]))
        share -= setting["probability"]
        bounds = {name: pair for name, pair in setting.items() if name != "probability"}
        strengths = {name: rng.uniform(low, high, len(chosen)) for name, (low, high) in bounds.items()}
        images[chosen], _ = perturb(images[chosen], kind, rng, **strengths)
    return images


def _per_image(strength: Strength) -> np.ndarray:
    """Return one number for all images, or one an image, as float32 that broadcasts against (n, 28, 28)."""
    return np.asarray(strength, np.float32).reshape(-1, 1, 1)


def _to_uint8(values: np.ndarray) -> np.ndarray:
    """Round, halves up, and saturate at 0 and 255."""
    return np.clip(values + np.float32(0.5), 0, 255).astype(np.uint8)


# Geometry


@kind
def reposition(
    images: np.ndarray,
    rng: np.random.Generator,
    canvas: Annotated[float, Interval(ge=28, le=280), "pixels"] = 56.0,
    zoom: Annotated[float, Interval(ge=1, le=10)] = 1.0,
) -> Perturbed:
    """Lay the image at a random place on an empty canvas, then shrink that to 28 x 28 by area averaging.

    canvas: side of the canvas, in pixels; at least 28 * zoom.
    zoom: side of the square that a pixel of the image covers on the canvas. It comes out at
        zoom * 28 / canvas of its size.

    Draws `top` and `left`, the place of the image's corner on the canvas in pixels, uniformly over all places
    where the image fits: whole numbers on a canvas of a whole number of pixels, real numbers on any other.
    Returns them with `canvas` and `zoom`. Raises ValueError if the image does not fit.

    The canvas is never built: area averaging is linear and separable, so that the result is, but for a
    factor, R @ image @ C.T, where R[o, i] is the share of input row i that lies within output row o, and C
    the same for columns.
    """
    canvas, zoom = np.full(len(images), canvas, float), np.full(len(images), zoom, float)
    room = np.round(canvas - SIDE * zoom, 9)  # 28 * 1.1 is a hair more than 30.8
    if (room < 0).any():
        worst = room.argmin()
        raise ValueError(
            f"expected a canvas of at least 28 * zoom = {SIDE * zoom[worst]:g} pixels, "
            f"found {canvas[worst]:g}; enlarge canvas or lower zoom"
        )
    share = rng.random((len(images), 2)).T
    top, left = np.where(canvas % 1 == 0, np.floor(share * (np.floor(room) + 1)), share * room)

    drawn = {"canvas": canvas, "zoom": zoom, "top": top, "left": left}
    return place(images, **drawn), drawn


def place(
    images: np.ndarray, canvas: np.ndarray, zoom: np.ndarray, top: np.ndarray, left: np.ndarray
) -> np.ndarray:
    """Do what `reposition` does, at a given place. All but `images`: shape (n,), as `reposition` returns."""
    altered = _shares(top, canvas, zoom) @ images.astype(np.float32)
    altered = altered @ _shares(left, canvas, zoom).swapaxes(1, 2)
    # Last, because sums of whole pixels are exact: rounding errors cannot tip a half up or down.
    altered *= _per_image((zoom * SIDE / canvas) ** 2)
    return _to_uint8(altered)


def _shares(start: np.ndarray, canvas: np.ndarray, zoom: np.ndarray) -> np.ndarray:
    """Return the share of input pixel i that lies within output pixel o, along one axis: float32 (n, o, i).

    start, canvas, zoom: shape (n,), in pixels of the canvas, on which an output pixel is canvas / 28 long and
    an input pixel zoom, the first one from `start`.
    """
    borders = (np.arange(SIDE + 1) * canvas[:, None] / SIDE - start[:, None]) / zoom[:, None]
    # The share of each input pixel before each border; between two borders lies an output pixel.
    before = borders.astype(np.float32)[:, :, None] - COLUMNS
    np.clip(before, 0, 1, out=before)
    return before[:, 1:] - before[:, :-1]


@kind
def rotate(
    images: np.ndarray,
    rng: np.random.Generator,
    degrees: Annotated[float, Interval(ge=0, le=180)] = 30.0,
) -> Perturbed:
    """Turn the image about the centre of the image. Draws the sense: `degrees`, > 0 counter-clockwise."""
    degrees = degrees * _signs(rng, len(images), 1)[0]
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return _resample(images, row=(cosine, sine, 0), column=(-sine, cosine, 0)), {"degrees": degrees}


@kind
def shear(
    images: np.ndarray,
    rng: np.random.Generator,
    degrees: Annotated[float, Interval(ge=0, le=60)] = 23.0,
) -> Perturbed:
    """Slide rows sideways, so that upright strokes lean. Draws the side: `degrees`, > 0 to the right."""
    degrees = degrees * _signs(rng, len(images), 1)[0]
    return _resample(images, row=(1, 0, 0), column=(np.tan(np.radians(degrees)), 1, 0)), {"degrees": degrees}


@kind
def scale(
    images: np.ndarray,
    rng: np.random.Generator,
    factor: Annotated[float, Interval(ge=0.2, le=1.4)] = 0.7,
) -> Perturbed:
    """Shrink (factor < 1) or enlarge (factor > 1) the image about the centre of the image."""
    inverse = 1 / np.asarray(factor, float)
    return _resample(images, row=(inverse, 0, 0), column=(0, inverse, 0)), {}


@kind
def translate(
    images: np.ndarray,
    rng: np.random.Generator,
    pixels: Annotated[float, Interval(ge=0, le=14)] = 3.0,
) -> Perturbed:
    """Move the image this far along both axes. Draws the senses: `down` and `right`, in pixels."""
    down, right = pixels * _signs(rng, len(images), 2)
    return _resample(images, row=(1, 0, -down), column=(0, 1, -right)), {"down": down, "right": right}


def _signs(rng: np.random.Generator, n: int, count: int) -> np.ndarray:
    """Draw `count` signs an image: float64, shape (count, n), -1 or 1."""
    return np.where(rng.random((n, count)) < 0.5, -1.0, 1.0).T


def _resample(images: np.ndarray, row: tuple[Strength, ...], column: tuple[Strength, ...]) -> np.ndarray:
    """Map the images affinely: bilinear interpolation, black outside.

    row, column: (a, b, c), each a number or shape (n,). With y and x counted from the centre of the image,
    output pixel (y, x) shows the image at row a * y + b * x + c, and the same for columns.
    """
    # A frame of zeros: coordinates outside the image are clipped into it.
    padded = np.pad(images.astype(np.float32), ((0, 0), (1, 2), (1, 2)))
    row, row_part = _whole_and_part(*map(_per_image, row))
    column, column_part = _whole_and_part(*map(_per_image, column))
    index = _flat_index(row, column, padded)
    below = padded.shape[1]
    upper = padded.take(index)
    upper += column_part * (padded.take(index + 1) - upper)
    lower = padded.take(index + below)
    lower += column_part * (padded.take(index + below + 1) - lower)
    return _to_uint8(upper + row_part * (lower - upper))


def _whole_and_part(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a * y + b * x + c as an index into the padded image, rounded down, and the remainder."""
    centre = (SIDE - 1) / 2
    coordinate = a * (ROWS - centre) + (b * (COLUMNS - centre) + (c + centre + 1))
    np.clip(coordinate, 0, SIDE + 1, out=coordinate)
    whole = np.floor(coordinate)
    return whole, coordinate - whole


def _flat_index(row: np.ndarray, column: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Return where whole coordinates, shape (1 or n, 28, 28), lie in the flattened images (n, side, side)."""
    n, side, _ = images.shape
    first_pixel = np.arange(n).reshape(-1, 1, 1) * side**2
    return first_pixel + (row * side + column).astype(np.intp)


# Noise


@kind
def shot_noise(
    images: np.ndarray,
    rng: np.random.Generator,
    photons: Annotated[float, Interval(ge=0.1, le=1000)] = 3.0,
) -> Perturbed:
    """Count light photon by photon: Poisson noise, with so many photons expected from a pixel of full ink."""
    photons_per_level = _per_image(photons) / 255
    return _to_uint8(rng.poisson(images * photons_per_level) / photons_per_level), {}


@kind
def impulse_noise(
    images: np.ndarray,
    rng: np.random.Generator,
    fraction: Annotated[float, Interval(ge=0, le=1), "of the pixels"] = 0.17,
) -> Perturbed:
    """Turn this fraction of the pixels, on average, into pepper (0) and salt (255) in equal parts."""
    chance = rng.random(images.shape, dtype=np.float32)
    half = _per_image(fraction) / 2
    altered = images.copy()
    altered[chance < half] = 0
    altered[chance >= 1 - half] = 255
    return altered, {}


# Blur


@kind
def glass_blur(
    images: np.ndarray,
    rng: np.random.Generator,
    sigma: Annotated[float, Interval(ge=0, le=3), "pixels"] = 0.7,
    displacement: Annotated[float, Interval(ge=0, le=4), "pixels"] = 1.5,
) -> Perturbed:
    """Look through frosted glass: blur, show at every pixel one near it, blur again.

    sigma: standard deviation of either Gaussian blur, in pixels.
    displacement: how far away the pixel shown may lie, along either axis, in pixels. Distances are drawn
        uniformly up to it and rounded to whole pixels.

    MNIST-C swaps neighbours one after another, each swap waiting for the last; here all pixels look up their
    neighbours at once, as the light through a pane of glass does.
    """
    blurred = _blur(images.astype(np.float32), sigma)
    chance = rng.random((len(images), 2, SIDE, SIDE), dtype=np.float32)
    offset = np.rint(_per_image(displacement)[:, None] * (2 * chance - 1))
    row = np.clip(ROWS + offset[:, 0], 0, SIDE - 1)
    column = np.clip(COLUMNS + offset[:, 1], 0, SIDE - 1)
    return _to_uint8(_blur(blurred.take(_flat_index(row, column, blurred)), sigma)), {}


@kind
def motion_blur(
    images: np.ndarray,
    rng: np.random.Generator,
    pixels: Annotated[float, Interval(ge=0, le=28)] = 7.0,
) -> Perturbed:
    """Average the image along a straight path of this length, as if the camera moved during the exposure.

    Draws the path's direction: `degrees`, within 45 of horizontal as in MNIST-C, > 0 rising to the right.
    """
    degrees = 90 * rng.random(len(images)) - 45
    slope = _per_image(np.tan(np.radians(degrees)))
    reach = _per_image(pixels * np.cos(np.radians(degrees)) / 2)
    steps = int(np.ceil(np.max(reach, initial=0)))
    padded = np.pad(images.astype(np.float32), ((0, 0), (0, 0), (steps, steps)))
    total, weights = np.float32(0), np.float32(0)
    # No direction is steeper than 45 degrees, so one step a column leaves no gaps.
    for step in range(-steps, steps + 1):
        weight = np.clip(reach + 0.5 - abs(step), 0, 1)
        between_rows = np.maximum(1 - np.abs(ROWS - step * slope - COLUMNS), 0)
        total += weight * between_rows @ padded[:, :, steps + step : steps + step + SIDE]
        weights += weight
    return _to_uint8(total / weights), {"degrees": degrees}


def _blur(values: np.ndarray, sigma: Strength) -> np.ndarray:
    """Blur float32 images, shape (n, 28, 28), by a Gaussian of this standard deviation, black outside."""
    distance = np.abs(ROWS - COLUMNS)
    blur = np.exp(-0.5 * (distance / np.maximum(_per_image(sigma), 1e-3)) ** 2)
    # All rows are divided by what the middle one needs: near an edge, some light is spread out of the image.
    blur /= blur[:, SIDE // 2].sum(axis=1).reshape(-1, 1, 1)
    return blur @ values @ blur.swapaxes(1, 2)


@kind
def random_filter(
    images: np.ndarray,
    rng: np.random.Generator,
    gain: Annotated[float, Interval(ge=1, le=10)] = 2.0,
) -> Perturbed:
    """See only how each pixel differs from its neighbours: what a random filter of mean zero answers.

    gain: how many times as strong as full ink the strongest answer of the image is, before it is cut off.

    The filter has 3 x 3 normal weights, less their mean; its answers count without their sign. The random
    filters of Xu et al. 2021 (arXiv 2007.13003), which are not of mean zero, keep the flat parts of an image.
    """
    weights = rng.standard_normal((len(images), 3, 3, 1, 1), dtype=np.float32)
    weights -= weights.mean(axis=(1, 2), keepdims=True)
    padded = np.pad(images.astype(np.float32), ((0, 0), (1, 1), (1, 1)))
    answer = np.float32(0)
    for row, column in np.ndindex(3, 3):
        answer += weights[:, row, column] * padded[:, row : row + SIDE, column : column + SIDE]
    answer = np.abs(answer)
    strongest = np.maximum(answer.max(axis=(1, 2), keepdims=True), 1)
    return _to_uint8(answer / strongest * 255 * _per_image(gain)), {}


# Light


@kind
def brightness(
    images: np.ndarray,
    rng: np.random.Generator,
    increase: Annotated[float, Interval(ge=0, le=1), "of the full scale"] = 0.5,
) -> Perturbed:
    """Add this fraction of the full scale to every pixel."""
    return _to_uint8(images + 255 * _per_image(increase)), {}


@kind
def fog(
    images: np.ndarray,
    rng: np.random.Generator,
    opacity: Annotated[float, Interval(ge=0, le=1)] = 0.75,
) -> Perturbed:
    """Mix the image with fog, which makes up this fraction of the light.

    The fog is fractal noise: half of it is one level for the whole image, a quarter varies from corner to
    corner, and each finer octave carries half as much as the one before.
    """
    sides = (1, 2, 3, 5, 9, 17)
    ends = np.cumsum(np.square(sides))
    noise = rng.random((len(images), ends[-1]), dtype=np.float32)
    density = np.float32(0)
    for octave, (side, end) in enumerate(zip(sides, ends, strict=True), start=1):
        grid = noise[:, end - side**2 : end].reshape(-1, side, side)
        interpolate = np.maximum(1 - np.abs(ROWS * (side - 1) / (SIDE - 1) - PIXELS[:side]), 0)
        density += 0.5**octave * (interpolate @ grid @ interpolate.T)
    opacity = _per_image(opacity)
    return _to_uint8((1 - opacity) * images + opacity * 255 * density), {}


# Obstruction


@kind
def stripe(
    images: np.ndarray,
    rng: np.random.Generator,
    pixels: Annotated[float, Interval(ge=0, le=14)] = 7.0,
) -> Perturbed:
    """Invert a stripe this wide along the left edge of the image, and another along the right."""
    middle_of_column = np.minimum(COLUMNS, SIDE - 1 - COLUMNS) + 0.5
    return np.where(middle_of_column < _per_image(pixels), 255 - images, images), {}


@kind
def spatter(
    images: np.ndarray,
    rng: np.random.Generator,
    fraction: Annotated[float, Interval(ge=0, le=0.9), "of the pixels"] = 0.15,
) -> Perturbed:
    """Cover this fraction of the image with blobs of mud: the peaks of smooth noise, in MNIST-C's grey."""
    noise = _blur(rng.random(images.shape, dtype=np.float32) - np.float32(0.5), sigma=1.5)
    ordered = np.sort(noise.reshape(-1, SIDE**2), axis=1)
    rank = ((1 - _per_image(fraction)) * (SIDE**2 - 1)).astype(np.intp)
    threshold = np.take_along_axis(ordered, rank[:, 0], axis=1)[:, :, None]
    return np.where(noise > threshold, np.uint8(63), images), {}


@kind
def dotted_line(
    images: np.ndarray,
    rng: np.random.Generator,
    thickness: Annotated[float, Interval(ge=0, le=8), "pixels"] = 2.0,
) -> Perturbed:
    """Draw a dotted line, so many pixels thick, from the left edge to the right.

    Draws its ends: `left_row` and `right_row`, from 0 to 27. Dots and gaps are two columns wide, as in
    MNIST-C.
    """
    left_row, right_row = (SIDE - 1) * rng.random((len(images), 2)).T
    slope = _per_image((right_row - left_row) / (SIDE - 1))
    distance = np.abs(ROWS - _per_image(left_row) - slope * COLUMNS) / np.sqrt(1 + slope**2)
    altered = np.where(COLUMNS % 4 < 2, images, _draw_line(images, distance, thickness))
    return altered, {"left_row": left_row, "right_row": right_row}


@kind
def zigzag(
    images: np.ndarray,
    rng: np.random.Generator,
    thickness: Annotated[float, Interval(ge=0, le=8), "pixels"] = 2.0,
) -> Perturbed:
    """Draw a zigzag line, so many pixels thick, from the left edge to the right.

    Draws the ends of its axis: `left_row`, from 0 to 27, and `right_row`, within 5 of it. The line swings 2
    pixels to either side of the axis, to and fro every 8 pixels, as in MNIST-C.
    """
    left_share, rise_share = rng.random((len(images), 2)).T
    left_row, rise = (SIDE - 1) * left_share, 10 * rise_share - 5
    angle = np.arctan(rise / (SIDE - 1))
    cosine, sine = _per_image(np.cos(angle)), _per_image(np.sin(angle))
    below = ROWS - _per_image(left_row)
    along, across = cosine * COLUMNS + sine * below, cosine * below - sine * COLUMNS
    swing = np.abs(along - 8 * np.floor(along / 8) - 4) - 2
    # The strokes stand at 45 degrees to the axis.
    distance = np.abs(across - swing) * np.float32(np.sqrt(0.5))
    return _draw_line(images, distance, thickness), {"left_row": left_row, "right_row": left_row + rise}


def _draw_line(images: np.ndarray, distance: np.ndarray, thickness: Strength) -> np.ndarray:
    """Add a line of ink to the images, given each pixel's distance from its middle, in pixels."""
    thickness = _per_image(thickness)
    # A line thinner than a pixel cannot fill one.
    ink = np.clip(thickness / 2 + 0.5 - distance, 0, np.minimum(thickness, 1))
    return _to_uint8(images + 255 * ink)


@kind
def edges(
    images: np.ndarray,
    rng: np.random.Generator,
    sigma: Annotated[float, Interval(ge=0.5, le=2), "pixels"] = 1.0,
) -> Perturbed:
    """Keep only the outlines, as ink one pixel thick.

    sigma: standard deviation of the Gaussian blur that comes first, in pixels.

    The detector of Canny (1986, https://doi.org/10.1109/TPAMI.1986.4767851) without its hysteresis, as ink on
    paper has no faint edges to follow: a pixel is an edge if the blurred image is steep there, and steeper
    than at its neighbours uphill and downhill.
    """
    down, right = np.gradient(_blur(images.astype(np.float32), sigma), axis=(1, 2))
    steepness = np.hypot(down, right)
    padded = np.pad(steepness, ((0, 0), (1, 1), (1, 1)))

    def steepest_along(row_step: int, column_step: int) -> np.ndarray:
        ahead = padded[:, 1 + row_step :, 1 + column_step :][:, :SIDE, :SIDE]
        behind = padded[:, 1 - row_step :, 1 - column_step :][:, :SIDE, :SIDE]
        # Of two neighbours equally steep, one is kept.
        return (steepness >= ahead) & (steepness > behind)

    # Uphill lies the neighbour whose direction is nearest: 22.5 degrees part it from the next.
    tangent = np.float32(np.tan(np.pi / 8))
    sideways, upright = np.abs(down) < tangent * np.abs(right), np.abs(right) < tangent * np.abs(down)
    steepest = np.select(
        [sideways, upright, down * right > 0],
        [steepest_along(0, 1), steepest_along(1, 0), steepest_along(1, 1)],
        steepest_along(1, -1),
    )
    least_steepness = 10  # grey levels a pixel
    return np.where(steepest & (steepness > least_steepness), np.uint8(255), np.uint8(0)), {}

"""Ink told from paper, whichever of them is darker, in uneven light: grey levels in, shares of ink out."""

import numpy as np
from scipy import ndimage

SHARP_SIDE = 384  # pixels: smaller pictures are smoothed by less than a pixel
FITTED_SIDE = 48  # pixels: enough to see how light varies
DARK = 40  # grey levels that are added before logarithms are taken, so that noise in the dark stays small
SHADE = 0.15  # by which the logarithm of paper may depart from a quadratic in the place
WIDE = 0.3  # of the longest side of a picture: what is as wide in each direction is no stroke

# On blank paper, a soft shadow makes up to 40 grey levels of contrast, noise 5 times its standard deviation.
MIN_CONTRAST = 40
MIN_SIGNAL_TO_NOISE = 6


class PictureError(Exception):
    """The reason, in one line, why a picture cannot be used."""


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
    grey = ndimage.gaussian_filter(grey, min(max(grey.shape) / SHARP_SIDE, 1))
    light = np.log(grey + DARK)  # as a shadow takes a share of it
    paper = find_paper(light)
    contrast = light - paper
    dark = -contrast.min() > contrast.max()
    contrast = np.clip(-contrast if dark else contrast, 0, None)
    signal = np.where(contrast > 0, np.abs(grey + DARK - np.exp(paper)), 0).max()
    if signal < max(MIN_CONTRAST, MIN_SIGNAL_TO_NOISE * noise):
        raise PictureError("expected ink on paper, with some paper around it, found a blank picture")
    wide = ndimage.grey_opening(contrast, round(WIDE * max(grey.shape)))
    contrast -= np.where(wide < contrast.max() / 2, wide, 0)  # as a sharp shadow is wide and weak
    contrast = np.abs(np.expm1(-contrast if dark else contrast))  # as a share of the paper's light
    # How strong ink typically is: one dot may be far darker than the strokes of a pen.
    ink = np.median(contrast[contrast > otsu(contrast)])
    # Below 0.3 of that lie noise, ruled lines and the edges of shadows; above 0.7, all is ink.
    return np.clip((contrast / ink - 0.3) / 0.4, 0, 1)


def find_paper(light: np.ndarray) -> np.ndarray:
    """The light, as a logarithm, (h, w), that paper gives, or would give, at each pixel.

    It varies as a quadratic in the place. Paper is most of a picture and of its border taken together, though
    not of each: a digit may be cut out with no margin, a cell of a form with its lines. So the quadratic is
    fitted to that half of both which it fits best, whatever the rest may be (least trimmed squares: Rousseeuw
    1984, https://doi.org/10.2307/2288718); then to all that is near it.
    """
    step = max(light.shape) // FITTED_SIDE + 1
    levels, terms = light[::step, ::step], quadratic(light.shape)[::step, ::step]
    at_border = border(levels)
    weight = (2 / levels.size + at_border / at_border.sum()).ravel() / 3
    levels, terms = levels.ravel(), terms.reshape(levels.size, -1)

    def lowest_half(values: np.ndarray) -> np.ndarray:
        order = np.argsort(values)
        return order[np.cumsum(weight[order]) <= 0.5]

    def fit(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        factors, *_ = np.linalg.lstsq(terms[pixels], levels[pixels])
        return factors, np.abs(levels - terms @ factors)

    fits = []
    for half in (lowest_half(levels), lowest_half(-levels)):  # as if paper were dark, and as if it were light
        for _ in range(8):
            factors, distance = fit(half)
            half = lowest_half(distance)
        fits.append((distance[half].mean(), factors, distance))
    _, factors, distance = min(fits, key=lambda each: each[0])
    for _ in range(3):
        factors, distance = fit(distance <= SHADE)
    return quadratic(light.shape) @ factors


def quadratic(shape: tuple[int, int]) -> np.ndarray:
    """The terms of a quadratic in the place: float32 (h, w, 6)."""
    row, column = np.indices(shape, np.float32) / max(shape)
    return np.stack([np.ones_like(row), row, column, row**2, row * column, column**2], axis=-1)


def otsu(levels: np.ndarray) -> float:
    """The threshold that parts levels into two groups which vary least in themselves (Otsu 1979,
    https://doi.org/10.1109/TSMC.1979.4310076)."""
    counts, edges = np.histogram(levels, 256)
    middles = (edges[:-1] + edges[1:]) / 2
    below, sums = np.cumsum(counts)[:-1], np.cumsum(counts * middles)
    above = counts.sum() - below
    means = sums[:-1] / below, (sums[-1] - sums[:-1]) / above
    return edges[1:-1][np.argmax(below * above * (means[0] - means[1]) ** 2)]

"""Every perturbation keeps the contract, and each does what its docstring says."""

import json
import os
import signal
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Annotated
from unittest.mock import patch

import numpy as np
import pytest
from annotated_types import Interval
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import DIGITS
from project import ROOT
from scipy import ndimage

from mnist_moved.command import UserError
from mnist_moved.perturbations import PERTURBATIONS, augment, perturb, ranges
from mnist_moved.perturbations.contract import PIXELS, Range, perturbation
from mnist_moved.perturbations.geometry import place

# The strengths at which a perturbation does nothing: no strength, for those that may have none.
IDENTITY = {name: dict.fromkeys(ranges(name), 0) for name in PERTURBATIONS}
IDENTITY = {name: none for name, none in IDENTITY.items() if all(not r.low for r in ranges(name).values())}
IDENTITY |= {"reposition": {"canvas": 28}, "scale": {"factor": 1}}
IDENTITY |= {"affine": {"canvas": 28, "degrees": 0, "shear": 0, "scale": 0}}

BLANK = np.zeros((2000, 28, 28), np.uint8)
GREY = np.full((50, 28, 28), 100, np.uint8)
NOISE = np.random.default_rng(0).integers(0, 256, (10, 28, 28), np.uint8)

each_perturbation = pytest.mark.parametrize("name", PERTURBATIONS)


def perturbed(name, images=DIGITS, **strengths):
    return perturb(images, name, np.random.default_rng(0), **strengths)


def shares(results, images, tolerance=0):
    """The share of the results that are the first image, the second, ...: each is one of them."""
    found = [np.abs(results - image.astype(float)).max(axis=(1, 2)) <= tolerance for image in images]
    assert np.any(found, axis=0).all()
    return np.mean(found, axis=1)


@each_perturbation
@pytest.mark.parametrize("n", [0, 10])
def test_every_digit_is_perturbed_by_default_and_the_input_is_not_written_to(name, n):
    images = DIGITS[:n].copy()
    images.setflags(write=False)
    result = PERTURBATIONS[name](images, np.random.default_rng(0))
    assert (result.shape, result.dtype) == ((n, 28, 28), np.uint8)
    assert not np.shares_memory(result, images)
    assert (result != images).any(axis=(1, 2)).all()
    assert all(low <= default <= high for low, high, default, _ in ranges(name).values())


@each_perturbation
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_within_its_range_an_image_gets_its_own_strength_and_the_same_bytes_alone_or_in_chunks(name, data):
    strengths = {
        strength: np.array(data.draw(st.lists(st.floats(low, high), min_size=3, max_size=3)))
        for strength, (low, high, *_) in ranges(name).items()
    }
    expected = PERTURBATIONS[name](DIGITS[:3], np.random.default_rng(0), **strengths)
    with patch("mnist_moved.perturbations.apply.CHUNK", 2):
        np.testing.assert_array_equal(perturbed(name, DIGITS[:3], **strengths), expected)
    rng = np.random.default_rng(0)
    for i in range(3):
        own = {strength: float(values[i]) for strength, values in strengths.items()}
        np.testing.assert_array_equal(PERTURBATIONS[name](DIGITS[i : i + 1], rng, **own)[0], expected[i])


@pytest.mark.parametrize("name", IDENTITY)
def test_zero_strength_returns_the_image_itself(name):
    np.testing.assert_array_equal(perturbed(name, NOISE, **IDENTITY[name]), NOISE)


# The BLAS in NumPy, NumPy itself, and the C library compute as on an older processor.
OLD_BLAS, NEWER_BLAS = {"OPENBLAS_CORETYPE": "Nehalem"}, {"OPENBLAS_CORETYPE": "Haswell"}
OLD_NUMPY = {"NPY_DISABLE_CPU_FEATURES": "X86_V3"}
OLD_LIBRARY = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4"}
OTHERS = [OLD_BLAS, NEWER_BLAS, OLD_NUMPY, OLD_LIBRARY, OLD_BLAS | OLD_NUMPY | OLD_LIBRARY]


@pytest.fixture(scope="module")
def processor():
    """What tests/processors.py says under variables of the environment."""

    def run(**variables):
        command = [sys.executable, Path(__file__).with_name("processors.py")]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
        process = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        if process.returncode == -signal.SIGILL:
            pytest.skip(f"this processor cannot do what {variables} asks for")
        assert process.returncode == 0, process.stderr
        return json.loads(process.stdout)

    return run


@pytest.fixture(scope="module")
def here(processor):
    return processor()


@pytest.mark.parametrize("variables", OTHERS, ids=" ".join)
def test_every_perturbation_gives_the_same_bytes_on_every_processor(variables, here, processor):
    there = processor(**variables)
    if there.pop("arithmetic") == here["arithmetic"]:
        pytest.skip("here it changes no arithmetic")
    differ = [name for name in there if there[name] != here[name]]
    assert not differ, f"other bytes on other processors, see contract.py: {', '.join(differ)}"


def no_default(images, rng, fraction: Annotated[float, Interval(ge=0, le=1)]):
    pass


@pytest.mark.parametrize("function", [no_default, lambda images, rng, fraction=0.5: 0, lambda images: 0])
def test_the_signature_tells_the_ranges_or_is_refused_where_it_is_written(function):
    with pytest.raises(UserError, match=r"test_perturbations\.py: .*: expected \(images, rng, STRENGTH:"):
        perturbation(function)
    assert function.__name__ not in PERTURBATIONS
    assert ranges("reposition") == {"canvas": Range(28, 280, 56, "pixels")}


@pytest.mark.parametrize("canvas", [28.5, 56, 56.25, 57, 75, 112])
def test_a_place_is_area_averaging_of_a_canvas_that_is_built(canvas):
    fine = 4  # pixels of what is built to one of the canvas, along one side
    side = round(fine * canvas)
    top, left = np.random.default_rng(0).integers(0, side - 28 * fine + 1, (2, 10))
    # A pixel cut into 28 x 28: the cuts fall on the borders of the output's pixels.
    sums = np.repeat(np.eye(side, dtype=int), 28, axis=0).reshape(28, side, side).sum(axis=1)
    placed = place(DIGITS, np.full(10, canvas), top / fine, left / fine)
    for i, image in enumerate(DIGITS):
        built = np.zeros((side, side), int)
        built[top[i] : top[i] + 28 * fine, left[i] : left[i] + 28 * fine] = np.kron(image, np.ones((4, 4)))
        np.testing.assert_array_equal(placed[i], np.floor(sums @ built @ sums.T / side**2 + 0.5))


def test_reposition_reaches_every_whole_place_on_a_whole_canvas_equally_often():
    places = place(np.tile(NOISE[0], (9, 1, 1)), np.full(9, 30), *np.mgrid[:3, :3].reshape(2, 9))
    repositioned = perturbed("reposition", np.tile(NOISE[0], (9000, 1, 1)), canvas=30)
    assert shares(repositioned, places) == pytest.approx(np.full(9, 1 / 9), abs=0.015)


def test_reposition_reaches_fractional_places_on_any_other_canvas():
    canvas = np.linspace(56.01, 56.99, 2000)
    white = perturbed("reposition", np.full_like(BLANK, 255), canvas=canvas)
    for ink in (white.sum(axis=1), white.sum(axis=2)):
        start = ink @ (PIXELS + 0.5) / ink.sum(axis=1) * canvas / 28 - 14
        for share in (start / (canvas - 28), start % 1):
            assert np.histogram(share, 4, (0, 1))[0] == pytest.approx(np.full(4, 500), abs=100)


ONE = NOISE[0].astype(float)


def mapped(matrix):
    """What SciPy makes of ONE about the centre of the image."""
    offset = 13.5 - np.dot(matrix, [13.5, 13.5])
    return ndimage.affine_transform(ONE, matrix, offset, order=1, mode="grid-constant")


TURN = {"reshape": False, "order": 1, "mode": "grid-constant"}
TAN = np.tan(np.radians(30))


@pytest.mark.parametrize(
    ("name", "strength", "senses"),
    [
        ("rotate", {"degrees": 90}, [np.rot90(ONE), np.rot90(ONE, -1)]),
        ("rotate", {"degrees": 30}, [ndimage.rotate(ONE, degrees, **TURN) for degrees in (-30, 30)]),
        ("shear", {"degrees": 30}, [mapped([[1, 0], [tangent, 1]]) for tangent in (-TAN, TAN)]),
        ("scale", {"factor": 0.7}, [mapped(np.eye(2) / 0.7)]),
        ("scale", {"factor": 1.2}, [mapped(np.eye(2) / 1.2)]),
        ("translate", {"pixels": 3}, [ndimage.shift(ONE, to, order=0) for to in product((-3, 3), repeat=2)]),
    ],
)
def test_each_sense_is_drawn_equally_often_and_agrees_with_scipy_even_at_the_border(name, strength, senses):
    found = shares(perturbed(name, np.tile(NOISE[0], (2000, 1, 1)), **strength), senses, tolerance=0.51)
    assert found == pytest.approx(np.full(len(senses), 1 / len(senses)), abs=0.05)


def test_affine_is_what_scipy_makes_of_a_digit_with_room_around_moved_and_shrunk():
    place_and_rest = np.random.default_rng(0).random((10, 6))
    (top, left), (lean, high, wide, turn) = np.split(place_and_rest.T, [2])
    mapped = []
    for i, image in enumerate(DIGITS):
        turning = np.radians(40 * turn[i] - 20)
        turned = np.array([[np.cos(turning), -np.sin(turning)], [np.sin(turning), np.cos(turning)]])
        scaled = np.diag([0.8 + 0.4 * high[i], 0.8 + 0.4 * wide[i]])
        matrix = np.linalg.inv(turned @ [[1, 0], [0.4 * lean[i] - 0.2, 1]] @ scaled)
        around = np.pad(image.astype(float), 10)
        mapped.append(ndimage.affine_transform(around, matrix, 23.5 - matrix @ [23.5, 23.5], order=1))
    corners = (np.floor(13 * start) - 10 for start in (top, left))
    expected = place(np.rint(mapped), np.full(10, 40.0), *corners)
    assert np.abs(perturbed("affine").astype(int) - expected).max() <= 1


def test_noise_is_that_of_counted_photons_or_as_much_salt_as_pepper():
    noisy = perturbed("shot_noise", GREY, photons=50)
    assert noisy.mean() == pytest.approx(100, rel=0.01)
    assert noisy.std() == pytest.approx(255 * np.sqrt(100 / 255 / 50), rel=0.03)
    noisy = perturbed("shot_noise", photons=5)
    assert {*np.unique(noisy)} == {0, 51, 102, 153, 204, 255}
    assert not noisy[DIGITS == 0].any()
    noisy = perturbed("impulse_noise", GREY, fraction=0.2)
    assert [(noisy == level).mean() for level in (0, 100, 255)] == pytest.approx([0.1, 0.8, 0.1], abs=0.01)


def gaussian(images, sigma):
    return ndimage.gaussian_filter(images.astype(float), (0, sigma, sigma), mode="constant", truncate=8)


STRIPED = np.where(np.isin(np.arange(28), np.r_[7:21]), DIGITS, 255 - DIGITS)


@pytest.mark.parametrize(
    ("name", "strengths", "expected"),
    [
        ("brightness", {"increase": 0.8}, np.minimum(DIGITS + 204.0, 255)),
        ("stripe", {"pixels": 6.6}, STRIPED.astype(float)),
        ("glass_blur", {"sigma": 0.9, "displacement": 0}, gaussian(gaussian(DIGITS, 0.9), 0.9)),
    ],
)
def test_where_nothing_is_drawn_the_result_is_exact(name, strengths, expected):
    assert np.abs(perturbed(name, **strengths) - expected).max() < 0.52


def test_glass_blur_without_blur_shows_every_neighbour_equally_often():
    steps = []
    for coordinate in np.mgrid[:28, :28].astype(np.uint8):
        shown = perturbed("glass_blur", np.tile(coordinate, (50, 1, 1)), sigma=0, displacement=1.5)
        steps.append(shown[:, 1:27, 1:27].astype(int) - coordinate[1:27, 1:27] + 1)
    counts = np.bincount((3 * steps[0] + steps[1]).ravel())
    assert counts / counts.sum() == pytest.approx(np.full(9, 1 / 9), abs=0.01)


def test_motion_blur_averages_along_a_path_of_its_length_within_45_degrees_of_horizontal():
    dots, lines = BLANK.copy(), BLANK.copy()
    dots[:, 14, 14] = lines[:, :, 14] = 255
    dots = perturbed("motion_blur", dots, pixels=12)
    y, x = np.mgrid[:28, :28] - 14
    xx, yy, xy = ((dots * each).sum(axis=(1, 2)) / dots.sum(axis=(1, 2)) for each in (x * x, y * y, x * y))
    direction = np.arctan2(2 * xy, xx - yy) / 2
    assert np.histogram(np.degrees(direction), 4, (-45.1, 45.1))[0] == pytest.approx(np.full(4, 500), abs=60)
    assert ((xx + yy) / 2 - np.hypot((xx - yy) / 2, xy)).max() < 0.3  # the variance across the path
    row = perturbed("motion_blur", lines, pixels=12)[:, 14].astype(float)
    assert np.ptp(row[:, 11:18], axis=1).max() <= 1
    np.testing.assert_allclose(255 / row[:, 14], 12 * np.cos(direction), rtol=0.04)
    np.testing.assert_allclose(row.sum(axis=1), 255, atol=7)


def test_fog_keeps_the_digit_at_the_rest_of_the_light_and_half_of_it_is_one_level():
    fog = perturbed("fog", BLANK, opacity=0.75)
    assert np.abs(perturbed("fog", opacity=0.75) - 0.25 * DIGITS - fog[:10]).max() <= 1
    assert 0.6 * 255 < fog.max() <= 0.75 * 255 + 0.5
    # An octave has half the amplitude of the one before, a quarter of its variance: the first has 3/4 of all.
    correlation = np.corrcoef(fog[:, [0, 0, 27, 27], [0, 27, 0, 27]].T)
    assert correlation[np.triu_indices(4, k=1)] == pytest.approx(0.75, abs=0.05)


def test_a_random_filter_answers_where_the_image_changes_and_the_same_to_half_the_ink():
    answers = perturbed("random_filter", NOISE // 2 * 2, gain=1)
    assert (answers.max(axis=(1, 2)) == 255).all()
    assert np.abs(answers - perturbed("random_filter", NOISE // 2, gain=1).astype(int)).max() <= 1
    assert not perturbed("random_filter", GREY, gain=10)[:, 1:-1, 1:-1].any()
    dots = np.pad(np.full((50, 1, 1), 255, np.uint8), ((0, 0), (14, 13), (14, 13)))
    answered = perturbed("random_filter", dots, gain=1).any(axis=0)
    np.testing.assert_array_equal(answered, np.pad(np.ones((3, 3)), (13, 12)))


def test_edges_are_the_pixels_that_are_steeper_than_their_neighbours_uphill_and_downhill():
    row, column = np.mgrid[1:29, 1:29]
    for image, outline in zip(gaussian(DIGITS, 1), perturbed("edges", sigma=1), strict=True):
        gradient = np.gradient(image)
        steepness = np.pad(np.hypot(*gradient), 1)
        direction = np.rint(np.arctan2(*gradient) / (np.pi / 4)) * np.pi / 4
        down, right = np.rint([np.sin(direction), np.cos(direction)]).astype(int)
        neighbours = np.maximum(steepness[row + down, column + right], steepness[row - down, column - right])
        here = steepness[row, column]
        np.testing.assert_array_equal(outline, 255 * ((here > neighbours) & (here > 10)))
    [outline] = perturbed("edges", np.pad(np.full((1, 17, 17), 255, np.uint8), ((0, 0), (6, 5), (6, 5))))
    assert (np.count_nonzero(outline[:, 9:20], axis=0) == 2).all()
    assert (np.count_nonzero(outline[9:20], axis=1) == 2).all()


@pytest.mark.parametrize("fraction", [0, 0.15, 0.9])
def test_spatter_covers_just_the_fraction_near_the_border_too_and_nothing_else_changes(fraction):
    images = np.resize(NOISE, BLANK.shape)
    spattered = perturbed("spatter", images, fraction=fraction)
    mud = spattered != images
    np.testing.assert_allclose(mud.mean(axis=(1, 2)), fraction, atol=0.01)
    assert (spattered[mud] == 63).all()
    np.testing.assert_allclose(mud.mean(axis=0), fraction, atol=0.11)


def lines(name, **strengths):
    """Lines on blank images that keep clear of the upper and lower border, and their row in each column."""
    drawn = perturbed(name, BLANK, **strengths).astype(float)
    drawn = drawn[~drawn[:, [0, 27]].any(axis=(1, 2))]
    with np.errstate(invalid="ignore"):
        return drawn, PIXELS @ drawn / drawn.sum(axis=1)


def test_a_dotted_line_is_straight_from_any_row_to_any_in_every_other_pair_of_columns():
    drawn, rows = lines("dotted_line")
    dots = np.arange(28) % 4 >= 2
    assert not drawn[:, :, ~dots].any()
    straight = np.linspace(rows[:, 2], rows[:, 27], 26, axis=1)
    np.testing.assert_allclose(rows[:, dots], straight[:, dots[2:]], atol=0.2)
    heights, _, _ = np.histogram2d(rows[:, 2], rows[:, 27], 2, [[1, 26]] * 2)
    np.testing.assert_allclose(heights, len(rows) / 4, rtol=0.15)


def test_zigzag_swings_two_pixels_about_its_axis_every_eight():
    _, rows = lines("zigzag", thickness=1)
    rise = (rows[:, 24] - rows[:, 0]) * 27 / 24
    assert np.histogram(rise, 2, (-5, 5))[0] == pytest.approx(np.full(2, len(rise) / 2), rel=0.15)
    assert (rise.min(), rise.max()) == pytest.approx((-5, 5), abs=0.4)
    level = rows[np.abs(rise) < 0.2]
    swing = level - level[:, :24].mean(axis=1, keepdims=True)
    wave = np.interp(np.arange(28) % 8, [0, 4, 8], [2, -2, 2])
    np.testing.assert_allclose(swing, np.tile(wave, (len(level), 1)), atol=0.2)


@pytest.mark.parametrize("name", ["dotted_line", "zigzag"])
def test_a_line_starts_and_ends_at_any_height_and_is_added_to_the_digit(name):
    drawn = perturbed(name, BLANK)
    for end in (drawn[:, :, :4], drawn[:, :, 24:]):
        reached = end.any(axis=2).mean(axis=0)
        assert reached.min() > 0.02
        np.testing.assert_allclose(reached[4:24], reached[4:24].mean(), rtol=0.15)
    np.testing.assert_array_equal(perturbed(name), np.minimum(DIGITS + drawn[:10].astype(int), 255))


# Half of the columns carry the dotted line: 14 of the 27 that its length spans.
@pytest.mark.parametrize(("name", "share"), [("dotted_line", 14 / 27), ("zigzag", np.sqrt(2))])
@pytest.mark.parametrize("thickness", [0.5, 1, 3])
def test_lines_are_as_thick_as_asked(name, share, thickness):
    drawn, rows = lines(name, thickness=thickness)
    first, last = {"dotted_line": (3, 27), "zigzag": (0, 24)}[name]
    length = share * 27 * np.hypot(1, (rows[:, last] - rows[:, first]) / 24)
    ink = drawn.sum(axis=(1, 2)) / 255 / length
    assert ink == pytest.approx(thickness, rel=0.2)
    assert ink.mean() == pytest.approx(thickness, rel=0.05)


def test_so_many_digits_change_as_the_probabilities_say_and_none_twice():
    images = np.resize(NOISE // 5, (5000, 28, 28))
    images.setflags(write=False)
    augmentation = {
        "edges": {"probability": 0, "sigma": [1, 1]},
        "brightness": {"probability": 0.3, "increase": [0.2, 0.2]},
        "stripe": {"probability": 0.5, "pixels": [14, 14]},
    }
    result = augment(images, np.random.default_rng(0), augmentation)
    assert shares(result, [images + 51, 255 - images, images]) == pytest.approx([0.3, 0.5, 0.2], abs=0.02)


def test_every_digit_draws_its_own_strength_within_the_bounds():
    augmentation = {"brightness": {"probability": 1, "increase": [0.2, 0.4]}}
    increase = augment(BLANK, np.random.default_rng(0), augmentation).max(axis=(1, 2)) / 255
    assert [increase.min(), increase.mean(), increase.max()] == pytest.approx([0.2, 0.3, 0.4], abs=0.01)

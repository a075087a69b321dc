"""Every kind of perturbation keeps the contract of the module, and each does what its docstring says."""

from typing import Annotated

import numpy as np
import pytest
from annotated_types import Interval
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from pictures import DIGITS
from scipy import ndimage

from mnist_moved import perturbations
from mnist_moved.command import UserError
from mnist_moved.perturbations import PERTURBATIONS, PIXELS, Range, augment, perturb, ranges

# The strengths at which a kind does nothing, for those that have one.
IDENTITY = {
    "reposition": {"canvas": 28},
    "rotate": {"degrees": 0},
    "shear": {"degrees": 0},
    "scale": {"factor": 1},
    "translate": {"pixels": 0},
    "impulse_noise": {"fraction": 0},
    "glass_blur": {"sigma": 0, "displacement": 0},
    "motion_blur": {"pixels": 0},
    "brightness": {"increase": 0},
    "fog": {"opacity": 0},
    "stripe": {"pixels": 0},
    "spatter": {"fraction": 0},
    "dotted_line": {"thickness": 0},
    "zigzag": {"thickness": 0},
}

MANY = np.tile(DIGITS, (5, 1, 1))
BLANK = np.zeros((2000, 28, 28), np.uint8)
NOISE = np.random.default_rng(0).integers(0, 256, (10, 28, 28), np.uint8)

DARK = NOISE // 5

each_kind = pytest.mark.parametrize("name", PERTURBATIONS)


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def defaults(name: str) -> dict[str, float]:
    return {strength: allowed.default for strength, allowed in ranges(name).items()}


def ink_and_centroid(images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sum of each image and the coordinates of its centre of mass, pixel i spanning i to i + 1."""
    ink = images.sum(axis=(1, 2), dtype=float)
    middle = np.arange(28) + 0.5
    return ink, images.sum(axis=2) @ middle / ink, images.sum(axis=1) @ middle / ink


# The contract


def test_ranges_are_read_from_the_signature_of_a_kind_and_hold_its_defaults():
    assert ranges("reposition") == {"canvas": Range(28, 280, 56, "pixels"), "zoom": Range(1, 10, 1, "")}
    for low, high, default, _ in [allowed for name in PERTURBATIONS for allowed in ranges(name).values()]:
        assert low <= default <= high


@each_kind
@pytest.mark.parametrize("n", [0, 5])
def test_shape_and_type_are_kept_and_the_input_is_not_written_to(name, n):
    images = DIGITS[:n].copy()
    images.setflags(write=False)
    altered, drawn = perturb(images, name, random())
    assert altered.shape == (n, 28, 28)
    assert altered.dtype == np.uint8
    assert not np.shares_memory(altered, images)
    for values in drawn.values():
        assert values.shape == (n,)
        assert np.isfinite(values).all()


@each_kind
def test_default_strengths_alter_every_digit(name):
    altered, _ = PERTURBATIONS[name](DIGITS, random())
    assert (altered != DIGITS).any(axis=(1, 2)).all()


@each_kind
@pytest.mark.parametrize("chunk", [1, 3])
def test_a_batch_gives_the_same_bytes_as_its_images_one_at_a_time_or_in_chunks(name, chunk, monkeypatch):
    monkeypatch.setattr(perturbations, "CHUNK", chunk)
    expected, expected_drawn = PERTURBATIONS[name](DIGITS, random())
    one_for_each = {strength: np.full(len(DIGITS), default) for strength, default in defaults(name).items()}
    for strengths in ({}, defaults(name), one_for_each):
        altered, drawn = perturb(DIGITS, name, random(), **strengths)
        np.testing.assert_array_equal(altered, expected)
        np.testing.assert_equal(drawn, expected_drawn)


@each_kind
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_within_the_whole_range_every_image_gets_its_own_strength(name, data):
    strengths = {
        strength: np.array(data.draw(st.lists(st.floats(low, high), min_size=3, max_size=3)))
        for strength, (low, high, *_) in ranges(name).items()
    }
    if name == "reposition":
        strengths["zoom"] = np.minimum(strengths["zoom"], strengths["canvas"] / 28)
    altered, _ = PERTURBATIONS[name](DIGITS[:3], random(), **strengths)
    rng = random()
    for i in range(3):
        own = {strength: float(values[i]) for strength, values in strengths.items()}
        np.testing.assert_array_equal(PERTURBATIONS[name](DIGITS[i : i + 1], rng, **own)[0][0], altered[i])


@pytest.mark.parametrize("name", IDENTITY)
def test_zero_strength_returns_the_image_itself(name):
    np.testing.assert_array_equal(PERTURBATIONS[name](NOISE, random(), **IDENTITY[name])[0], NOISE)


# reposition


@pytest.mark.parametrize("zoom", [1, 2])
@pytest.mark.parametrize("canvas", [56, 57, 75, 84, 112])
def test_reposition_equals_area_averaging_of_a_canvas_that_is_built(canvas, zoom):
    altered, drawn = PERTURBATIONS["reposition"](DIGITS, random(), canvas=canvas, zoom=zoom)
    for i, image in enumerate(DIGITS):
        built = np.zeros((canvas, canvas))
        top, left = int(drawn["top"][i]), int(drawn["left"][i])
        built[top : top + 28 * zoom, left : left + 28 * zoom] = np.kron(image, np.ones((zoom, zoom)))
        # A pixel cut into 28 x 28: the cuts fall on the borders of the output's pixels.
        average = np.kron(built, np.ones((28, 28))).reshape(28, canvas, 28, canvas).mean(axis=(1, 3))
        np.testing.assert_array_equal(altered[i], np.floor(average + 0.5))


@given(canvas=st.floats(28, 84), zoom=st.floats(1, 3), seed=st.integers(0, 99))
@example(canvas=30.8, zoom=1.1, seed=0)
@example(canvas=40, zoom=1.4, seed=0)
@settings(max_examples=50, deadline=None)
def test_reposition_puts_the_ink_where_it_says(canvas, zoom, seed):
    assume(canvas >= 28 * zoom - 1e-10)
    altered, drawn = PERTURBATIONS["reposition"](DIGITS, random(seed), canvas=canvas, zoom=zoom)
    for start in (drawn["top"], drawn["left"]):
        assert ((start >= 0) & (start <= canvas - 28 * zoom + 1e-9)).all()
    output_pixel = canvas / 28
    ink, row, column = ink_and_centroid(DIGITS)
    altered_ink, altered_row, altered_column = ink_and_centroid(altered)
    np.testing.assert_allclose(altered_ink, ink * (zoom / output_pixel) ** 2, rtol=0.03)
    np.testing.assert_allclose(altered_row, (drawn["top"] + zoom * row) / output_pixel, atol=0.1)
    np.testing.assert_allclose(altered_column, (drawn["left"] + zoom * column) / output_pixel, atol=0.1)


def test_reposition_reaches_every_whole_place_on_a_whole_canvas_equally_often():
    blank = np.zeros((9000, 28, 28), np.uint8)
    _, drawn = perturb(blank, "reposition", random(), canvas=30)
    places, counts = np.unique(3 * drawn["top"] + drawn["left"], return_counts=True)
    assert places.tolist() == list(range(9))
    assert (np.abs(counts - 1000) < 150).all()


def test_reposition_reaches_fractional_places_on_any_other_canvas():
    _, drawn = perturb(BLANK, "reposition", random(), canvas=np.linspace(28.01, 29.99, 2000))
    for start in (drawn["top"], drawn["left"]):
        share = start / (drawn["canvas"] - 28)
        quarters, _ = np.histogram(share[drawn["canvas"] != 29], bins=4, range=(0, 1))
        assert (np.abs(quarters - 500) < 100).all()


def test_reposition_refuses_a_canvas_too_small_for_the_digit():
    with pytest.raises(ValueError, match=r"at least .* = 56 pixels, found 50; enlarge canvas or lower zoom"):
        PERTURBATIONS["reposition"](DIGITS, random(), canvas=50, zoom=2)
    with pytest.raises(ValueError, match="found 20"):
        PERTURBATIONS["reposition"](DIGITS, random(), canvas=np.array([30.0, 20.0] + 8 * [28.0]))


# Geometry


@pytest.mark.parametrize("name", ["rotate", "shear", "translate"])
def test_either_sense_is_drawn_equally_often(name):
    for signed in perturb(BLANK, name, random())[1].values():
        assert (signed > 0).mean() == pytest.approx(0.5, abs=0.05)


def test_rotate_by_90_degrees_only_permutes_pixels_counter_clockwise_if_positive():
    altered, drawn = PERTURBATIONS["rotate"](NOISE, random(), degrees=90)
    for image, result, signed in zip(NOISE, altered, drawn["degrees"], strict=True):
        np.testing.assert_array_equal(result, np.rot90(image, np.sign(signed)))


def test_rotate_agrees_with_scipy_even_at_the_border():
    altered, drawn = PERTURBATIONS["rotate"](NOISE, random(), degrees=30)
    for image, result, signed in zip(NOISE, altered, drawn["degrees"], strict=True):
        expected = ndimage.rotate(image.astype(float), signed, reshape=False, order=1, mode="grid-constant")
        assert np.abs(result - expected).max() < 0.51


def test_shear_leans_an_upright_bar_by_the_angle():
    bar = np.zeros((20, 28, 28), np.uint8)
    bar[:, 6:22, 13:15] = 255
    altered, drawn = PERTURBATIONS["shear"](bar, random(), degrees=30)
    assert set(drawn["degrees"]) == {-30, 30}
    columns = altered @ (np.arange(28) + 0.5) / np.maximum(altered.sum(axis=2), 1)
    lean = np.degrees(np.arctan((columns[:, 8] - columns[:, 19]) / 11))
    np.testing.assert_allclose(lean, drawn["degrees"], atol=0.5)


@pytest.mark.parametrize("factor", [0.7, 1.2])
def test_scale_agrees_with_scipy_about_the_centre_of_the_image(factor):
    altered, _ = PERTURBATIONS["scale"](DIGITS, random(), factor=factor)
    for image, result in zip(DIGITS, altered, strict=True):
        offset = 13.5 - 13.5 / factor
        expected = ndimage.affine_transform(image.astype(float), [1 / factor] * 2, offset, order=1)
        assert np.abs(result - expected).max() < 0.51


def test_translate_by_whole_pixels_moves_every_pixel_unchanged():
    altered, drawn = PERTURBATIONS["translate"](MANY, random(), pixels=3)
    assert set(zip(drawn["down"], drawn["right"], strict=True)) == {(3, 3), (3, -3), (-3, 3), (-3, -3)}
    for image, result, down, right in zip(MANY, altered, drawn["down"], drawn["right"], strict=True):
        np.testing.assert_array_equal(result, ndimage.shift(image, (down, right), order=0))


# Noise


def test_shot_noise_has_the_mean_and_the_variance_of_a_photon_count():
    grey = np.full((50, 28, 28), 100, np.uint8)
    altered, _ = PERTURBATIONS["shot_noise"](grey, random(), photons=50)
    assert altered.mean() == pytest.approx(100, rel=0.01)
    assert altered.std() == pytest.approx(255 * np.sqrt(100 / 255 / 50), rel=0.03)


def test_shot_noise_has_a_level_for_each_count_and_leaves_the_background_black():
    altered, _ = PERTURBATIONS["shot_noise"](MANY, random(), photons=5)
    assert set(np.unique(altered)) == {0, 51, 102, 153, 204, 255}
    assert (altered[MANY == 0] == 0).all()


def test_impulse_noise_hits_the_fraction_with_as_much_salt_as_pepper():
    grey = np.full((50, 28, 28), 100, np.uint8)
    altered, _ = PERTURBATIONS["impulse_noise"](grey, random(), fraction=0.2)
    assert (altered == 0).mean() == pytest.approx(0.1, abs=0.01)
    assert (altered == 255).mean() == pytest.approx(0.1, abs=0.01)
    assert (altered == 100).mean() == pytest.approx(0.8, abs=0.01)


# Blur


def test_glass_blur_without_displacement_is_two_gaussian_blurs():
    altered, _ = PERTURBATIONS["glass_blur"](DIGITS, random(), sigma=0.9, displacement=0)
    expected = DIGITS.astype(float)
    for _ in range(2):
        expected = ndimage.gaussian_filter(expected, sigma=(0, 0.9, 0.9), mode="constant", truncate=8)
    assert np.abs(altered - expected).max() < 0.51


def test_glass_blur_without_blur_shows_every_neighbour_equally_often():
    row, column = np.mgrid[:28, :28]

    def shown(place):
        images = np.tile(place.astype(np.uint8), (50, 1, 1))
        return PERTURBATIONS["glass_blur"](images, random(), sigma=0, displacement=1.5)[0]

    step = 3 * (shown(row) - row + 1) + shown(column) - column + 1
    counts = np.bincount(step[:, 1:27, 1:27].ravel())
    assert counts / counts.sum() == pytest.approx(np.full(9, 1 / 9), abs=0.01)


def test_motion_blur_spreads_a_dot_in_the_direction_drawn():
    dots = np.zeros((20, 28, 28), np.uint8)
    dots[:, 14, 14] = 255
    altered, drawn = PERTURBATIONS["motion_blur"](dots, random(), pixels=12)
    x, y = np.mgrid[:28, :28][::-1] - 14
    for image, degrees in zip(altered, drawn["degrees"], strict=True):
        variances, axes = np.linalg.eigh(np.cov(x.ravel(), -y.ravel(), aweights=image.ravel()))
        assert np.degrees(np.arctan(axes[1, 1] / axes[0, 1])) == pytest.approx(degrees, abs=3)
        assert variances[0] < 0.3


def test_motion_blur_averages_over_the_length_of_the_path():
    lines = np.zeros((20, 28, 28), np.uint8)
    lines[:, :, 14] = 255
    altered, drawn = PERTURBATIONS["motion_blur"](lines, random(), pixels=12)
    for row, degrees in zip(altered[:, 14], drawn["degrees"], strict=True):
        columns = 12 * np.cos(np.radians(degrees))
        within = np.clip((columns + 1) / 2 - np.abs(np.arange(28) - 14), 0, 1)
        np.testing.assert_allclose(row, 255 * within / columns, atol=1)


def test_motion_blur_draws_directions_within_45_degrees_of_horizontal():
    degrees = perturb(BLANK, "motion_blur", random(), pixels=1)[1]["degrees"]
    assert (degrees.min(), degrees.max()) == pytest.approx((-45, 45), abs=0.3)


def test_a_random_filter_answers_where_the_image_changes_and_the_same_to_half_the_ink():
    altered, _ = PERTURBATIONS["random_filter"](NOISE // 2 * 2, random(), gain=1)
    halved, _ = PERTURBATIONS["random_filter"](NOISE // 2, random(), gain=1)
    assert (altered.max(axis=(1, 2)) == 255).all()
    assert np.abs(altered - halved.astype(int)).max() <= 1
    flat, _ = PERTURBATIONS["random_filter"](np.full_like(MANY, 200), random(), gain=10)
    assert (flat[:, 1:-1, 1:-1] == 0).all()
    dot = np.zeros_like(MANY)
    dot[:, 14, 14] = 255
    answers, _ = PERTURBATIONS["random_filter"](dot, random(), gain=1)
    rows, columns = np.nonzero(answers.any(axis=0))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (13, 15, 13, 15)


# Light


def test_brightness_lifts_every_pixel_up_to_white():
    altered, _ = PERTURBATIONS["brightness"](DIGITS, random(), increase=0.8)
    np.testing.assert_array_equal(altered, np.minimum(DIGITS + 204.0, 255))


def test_fog_keeps_the_digit_at_the_rest_of_the_light():
    altered, _ = PERTURBATIONS["fog"](DIGITS, random(), opacity=0.75)
    fog, _ = PERTURBATIONS["fog"](np.zeros_like(DIGITS), random(), opacity=0.75)
    assert np.abs(altered - 0.25 * DIGITS - fog).max() <= 1


def test_half_of_the_fog_is_one_level_for_the_whole_image():
    fog, _ = perturb(BLANK, "fog", random(), opacity=0.75)
    assert 0.6 * 255 < fog.max() <= 0.75 * 255 + 0.5
    # An octave has half the amplitude of the one before, a quarter of its variance: the first has 3/4 of all.
    correlation = np.corrcoef(fog[:, [0, 0, 27, 27], [0, 27, 0, 27]].T)
    assert correlation[np.triu_indices(4, k=1)] == pytest.approx(0.75, abs=0.05)


# Obstruction


def test_stripe_inverts_the_outer_columns_only():
    altered, _ = PERTURBATIONS["stripe"](DIGITS, random(), pixels=6.6)
    expected = np.concatenate([255 - DIGITS[:, :, :7], DIGITS[:, :, 7:21], 255 - DIGITS[:, :, 21:]], axis=2)
    np.testing.assert_array_equal(altered, expected)


@pytest.mark.parametrize("fraction", [0, 0.15, 0.9])
def test_spatter_covers_just_the_fraction_and_nothing_else_changes(fraction):
    altered, _ = PERTURBATIONS["spatter"](NOISE, random(), fraction=fraction)
    mud = altered != NOISE
    np.testing.assert_allclose(mud.mean(axis=(1, 2)), fraction, atol=0.01)
    assert (altered[mud] == 63).all()


def test_spatter_falls_near_the_border_too():
    altered, _ = perturb(BLANK, "spatter", random(), fraction=0.15)
    assert (np.abs((altered > 0).mean(axis=0) - 0.13) < 0.07).all()


def test_dotted_line_runs_between_the_drawn_rows_in_every_other_pair_of_columns():
    blank = np.zeros((20, 28, 28), np.uint8)
    altered, drawn = PERTURBATIONS["dotted_line"](blank, random(), thickness=2)
    assert (altered[:, :, np.arange(28) % 4 < 2] == 0).all()
    for image, left, right in zip(altered, drawn["left_row"], drawn["right_row"], strict=True):
        for column in (2, 7, 14, 27):
            on_line = left + (right - left) * column / 27
            assert image[round(on_line), column] > 200
            assert (image[np.abs(np.arange(28) - on_line) > 3, column] == 0).all()


def test_zigzag_swings_two_pixels_about_its_axis_every_eight():
    altered, drawn = perturb(BLANK, "zigzag", random(), thickness=1)
    rise = drawn["right_row"] - drawn["left_row"]
    assert (rise.min(), rise.max()) == pytest.approx((-5, 5), abs=0.1)
    along = np.linspace(-5, 35, 400)
    across = np.interp(along % 8, [0, 4, 8], [2, -2, 2])
    for image, left, angle in zip(altered[:50], drawn["left_row"], np.arctan(rise / 27), strict=False):
        row = left + along * np.sin(angle) + across * np.cos(angle)
        column = along * np.cos(angle) - across * np.sin(angle)
        distance = np.hypot(PIXELS[:, None, None] - row, PIXELS[:, None] - column).min(axis=-1)
        assert (image[distance < 0.4] > 120).all()
        assert (image[distance > 1.5] == 0).all()


@pytest.mark.parametrize("name", ["dotted_line", "zigzag"])
def test_a_line_may_start_at_any_height_and_is_added_to_the_digit(name):
    lines, drawn = perturb(BLANK, name, random())
    assert (drawn["left_row"].min(), drawn["left_row"].max()) == pytest.approx((0, 27), abs=0.1)
    altered, _ = PERTURBATIONS[name](DIGITS, random())
    np.testing.assert_array_equal(altered, np.minimum(DIGITS + lines[:10].astype(int), 255))


# Half of the columns carry the dotted line: 14 of the 27 that its length spans.
@pytest.mark.parametrize(("name", "share"), [("dotted_line", 14 / 27), ("zigzag", np.sqrt(2))])
@pytest.mark.parametrize("thickness", [0.5, 1, 3])
def test_lines_are_as_thick_as_asked(name, share, thickness):
    altered, drawn = perturb(BLANK, name, random(), thickness=thickness)
    ends = np.stack([drawn["left_row"], drawn["right_row"]])
    inside = (ends.min(axis=0) > 6) & (ends.max(axis=0) < 21)
    length = share * np.hypot(27, ends[1] - ends[0])
    ink = (altered.sum(axis=(1, 2)) / 255 / length)[inside]
    assert ink == pytest.approx(thickness, rel=0.2)
    assert ink.mean() == pytest.approx(thickness, rel=0.05)


def test_edges_are_the_pixels_that_are_steeper_than_their_neighbours_uphill_and_downhill():
    altered, _ = PERTURBATIONS["edges"](DIGITS, random(), sigma=1)
    row, column = np.mgrid[1:29, 1:29]
    for image, outline in zip(DIGITS, altered, strict=True):
        gradient = np.gradient(ndimage.gaussian_filter(image.astype(float), 1, mode="constant", truncate=8))
        steepness = np.pad(np.hypot(*gradient), 1)
        direction = np.rint(np.arctan2(*gradient) / (np.pi / 4)) * np.pi / 4
        down, right = np.rint([np.sin(direction), np.cos(direction)]).astype(int)
        neighbours = np.maximum(steepness[row + down, column + right], steepness[row - down, column - right])
        here = steepness[row, column]
        np.testing.assert_array_equal(outline, 255 * ((here > neighbours) & (here > 10)))


def test_edges_of_a_block_are_one_pixel_thick():
    block = np.pad(np.full((1, 17, 17), 255, np.uint8), ((0, 0), (6, 5), (6, 5)))
    [outline], _ = PERTURBATIONS["edges"](block, random())
    assert (np.count_nonzero(outline[:, 9:20], axis=0) == 2).all()
    assert (np.count_nonzero(outline[9:20], axis=1) == 2).all()


def no_rng(images, fraction: Annotated[float, Interval(ge=0, le=1)] = 0.5):
    pass


def no_default(images, rng, fraction: Annotated[float, Interval(ge=0, le=1)]):
    pass


def no_range(images, rng, fraction=0.5):
    pass


@pytest.mark.parametrize("function", [no_rng, no_default, no_range, lambda: None])
def test_a_kind_that_is_not_called_as_the_contract_says_is_refused_where_it_is_written(function):
    with pytest.raises(UserError, match=r"test_perturbations\.py: .*: expected \(images, rng, STRENGTH:"):
        perturbations.kind(function)
    assert function.__name__ not in PERTURBATIONS


def augmented(augmentation, n=60):
    images = np.resize(DARK, (n, 28, 28))
    return images, augment(images, random(), augmentation)


def brightness(probability, low=0.2, high=0.4):
    return {"brightness": {"probability": probability, "increase": [low, high]}}


def test_without_probability_no_digit_changes_and_the_digits_passed_in_never():
    images, result = augmented({"edges": {"probability": 0, "sigma": [1, 1]}})
    np.testing.assert_array_equal(result, images)
    images, result = augmented(brightness(1))
    np.testing.assert_array_equal(images, np.resize(DARK, images.shape))
    assert (result != images).any()


def test_so_many_digits_change_as_the_probabilities_say_and_none_twice():
    stripes = {"stripe": {"probability": 0.5, "pixels": [14, 14]}}
    images, result = augmented(brightness(0.3, 0.2, 0.2) | stripes, 20_000)
    brighter = (result == np.minimum(images + 51.0, 255)).all(axis=(1, 2))
    inverted = (result == 255 - images).all(axis=(1, 2))
    untouched = (result == images).all(axis=(1, 2))
    assert [brighter.mean(), inverted.mean(), untouched.mean()] == pytest.approx([0.3, 0.5, 0.2], abs=0.02)


def test_every_digit_draws_its_own_strength_within_the_bounds():
    images, result = augmented(brightness(1, 0.2, 0.4), 2000)
    increase = (result - images.astype(float)).max(axis=(1, 2)) / 255
    assert [increase.min(), increase.mean(), increase.max()] == pytest.approx([0.2, 0.3, 0.4], abs=0.01)

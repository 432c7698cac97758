"""What becomes of values that a file cannot hold, and that the report tells it with the right numbers."""

from __future__ import annotations

import numpy as np
import pytest

from tweakconv.value_range import fit

VALUES = np.array([[-400.0, -0.6, -0.4, 0.0], [10.5, 11.5, 255.4, 255.6], [300.0, 80.2, -30.0, 1000.0]])


def test_clip_keeps_what_fits_and_counts_what_does_not():
    fitted = fit(VALUES, np.uint8, "clip", 1.0)
    assert fitted.values.tolist() == [[0, 0, 0, 0], [10, 12, 255, 255], [255, 80, 0, 255]]
    assert fitted.values.dtype == np.uint8
    assert (fitted.below, fitted.beyond) == (3, 3)
    assert fitted.report == "clip: 3 of 12 values (25.0%) below 0 became 0, 3 (25.0%) above 255 became 255"


def test_clip_says_so_where_nothing_was_changed():
    fitted = fit(np.array([0.0, 254.6]), np.uint8, "clip", 1.0)
    assert fitted.report == "clip: every value lies within 0 to 255, none was changed"


def test_only_what_happened_is_told():
    for values, method, report in (
        ([-9.0, 3.0, 4.0, 5.0], "clip", "clip: 1 of 4 values (25.0%) below 0 became 0"),
        ([3.0, 300.0, 4.0, 5.0], "clip", "clip: 1 of 4 values (25.0%) above 255 became 255"),
        ([3.0, 300.0, 4.0, 5.0], "abs", "abs: 1 of 4 values (25.0%) above 255 became 255"),
        ([3.0, -9.0, 4.0, 5.0], "abs", "abs: 1 of 4 values (25.0%) were negative and lost their sign"),
        ([3.0, 4.0], "abs", "abs: every value lies within 0 to 255, none was changed"),
    ):
        assert fit(np.array(values), np.uint8, method, 1.0).report == report
    assert fit(np.ones(3), np.float32, "abs", 1.0).report == "abs: no value is negative, none was changed"


def test_abs_drops_signs_then_clips():
    fitted = fit(VALUES, np.uint8, "abs", 0.0)
    assert fitted.values.tolist() == [[255, 1, 0, 0], [10, 12, 255, 255], [255, 80, 30, 255]]
    assert fitted.report == (
        "abs: 3 of 12 values (25.0%) were negative and lost their sign, 4 (33.3%) above 255 became 255"
    )


def test_stretch_takes_the_smallest_value_to_black_and_the_largest_to_white():
    fitted = fit(VALUES, np.uint16, "stretch", 0.0)
    assert (fitted.values[0, 0], fitted.values[2, 3]) == (0, 65535)
    assert fitted.values[0, 3] == round(400 / 1400 * 65535)
    assert fitted.report == "stretch: -400 became 0 and 1000 became 65535"


@pytest.mark.parametrize(("dtype", "middle", "top"), [(np.uint8, 128, 255), (np.uint16, 32768, 65535)])
def test_midgrey_takes_zero_to_the_middle_and_keeps_the_sign(dtype, middle, top):
    fitted = fit(np.array([-100.0, 0.0, 50.0, 100.0]), dtype, "midgrey", 0.0)
    assert fitted.values.tolist() == [1, middle, round(middle + (top - middle) / 2), top]
    assert fitted.report == f"midgrey: 0 became {middle}, -100 became 1 and 100 became {top}"


@pytest.mark.parametrize("value_range", ["stretch", "midgrey"])
def test_an_image_of_one_value_is_not_stretched(value_range):
    assert fit(np.zeros((3, 2)), np.uint8, value_range, 0.0).method == "clip"
    assert fit(np.full((3, 2), 7.0), np.uint8, "stretch", 0.0).values.tolist() == [[7, 7]] * 3


@pytest.mark.parametrize(("kernel_sum", "method"), [(1.0, "clip"), (9.0, "clip"), (0.0, "abs"), (-1.0, "abs")])
def test_auto_follows_the_sum_of_the_kernel(kernel_sum, method):
    fitted = fit(VALUES, np.uint8, "auto", kernel_sum)
    assert fitted.method == method
    assert fitted.report.startswith(f"{method}: ")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floating_point_files_keep_every_value(dtype):
    values = VALUES.astype(dtype)
    values[0, 1] = np.nan
    fitted = fit(values, dtype, "auto", 0.0)
    np.testing.assert_array_equal(fitted.values, values, strict=True)
    assert fitted.report == "kept: floating point holds every value, from -400 to 1000"
    np.testing.assert_array_equal(fit(values, dtype, "abs", 0.0).values, np.abs(values))


def test_floating_point_files_without_a_finite_value_are_kept_too():
    assert "none of them finite" in fit(np.full(2, np.nan), np.float32, "auto", 1.0).report


@pytest.mark.parametrize("value_range", ["clip", "stretch", "midgrey"])
def test_floating_point_files_have_no_black_and_white_to_fit_into(value_range):
    with pytest.raises(ValueError, match=f"range {value_range} needs a black and a white"):
        fit(VALUES, np.float32, value_range, 0.0)


def test_an_unknown_range_and_values_that_overflowed_are_refused():
    with pytest.raises(ValueError, match="range must be one of auto, clip, abs, stretch, midgrey, received 'wrap'"):
        fit(VALUES, np.uint8, "wrap", 0.0)
    with pytest.raises(ValueError, match="weights so large that results overflow"):
        fit(np.array([np.inf]), np.uint8, "abs", 0.0)

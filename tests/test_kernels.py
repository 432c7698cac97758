"""Named kernels do what their names say, and what a person types is read or refused with words."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage, signal

from tweakconv.kernels import LIBRARY, MAX_TAPS, format_matrix, parse_kernel, parse_matrix

BRIGHTNESS_KEEPING = ("identity", "blur", "box", "gaussian", "motion", "sharpen", "unsharp", "emboss")
DIFFERENCES = (
    "sobel-x", "sobel-y", "prewitt-x", "prewitt-y", "scharr-x", "scharr-y", "laplacian", "log", "edge", "ridge",
)  # fmt: skip


def correlated(image, text):
    return signal.correlate2d(image, parse_kernel(text).weights, mode="valid")


def test_every_named_kernel_keeps_brightness_or_measures_a_difference():
    assert set(LIBRARY) == {*BRIGHTNESS_KEEPING, *DIFFERENCES}
    assert [parse_kernel(name).sum for name in BRIGHTNESS_KEEPING] == pytest.approx([1] * len(BRIGHTNESS_KEEPING))
    assert [parse_kernel(name).sum for name in DIFFERENCES] == [0] * len(DIFFERENCES)


@pytest.mark.parametrize("name", ["sobel", "prewitt", "scharr"])
def test_slopes_are_positive_where_brightness_rises_to_the_right_and_downwards(name):
    down, across = np.mgrid[:6, :8].astype(float)
    rise = {"sobel": 8, "prewitt": 6, "scharr": 32}[name]
    assert (correlated(across, f"{name}-x") == rise).all()
    assert (correlated(down, f"{name}-x") == 0).all()
    assert (correlated(down, f"{name}-y") == rise).all()
    assert (correlated(across, f"{name}-y") == 0).all()


@pytest.mark.parametrize(("name", "axis"), [("sobel-x", 1), ("sobel-y", 0), ("prewitt-x", 1), ("prewitt-y", 0)])
def test_slopes_agree_with_scipy(name, axis):
    image = np.random.default_rng(1).standard_normal((9, 11))
    scipys = {"sobel": ndimage.sobel, "prewitt": ndimage.prewitt}[name.split("-")[0]]
    np.testing.assert_allclose(correlated(image, name), scipys(image, axis)[1:-1, 1:-1], atol=1e-12)


@pytest.mark.parametrize(("name", "factor"), [("laplacian", 1), ("ridge", -1)])
def test_curvatures_agree_with_scipy(name, factor):
    image = np.random.default_rng(2).standard_normal((9, 11))
    expected = factor * ndimage.laplace(image)[1:-1, 1:-1]
    np.testing.assert_allclose(correlated(image, name), expected, atol=1e-12)


def test_gaussian_agrees_with_scipy():
    impulse = np.zeros((9, 9))
    impulse[4, 4] = 1
    expected = ndimage.gaussian_filter(impulse, 1.3, radius=4)
    np.testing.assert_allclose(parse_kernel("gaussian:9,1.3").weights, expected, atol=1e-15)


def test_log_is_proportional_to_the_laplacian_of_a_gaussian():
    impulse = np.zeros((31, 31))
    impulse[15, 15] = 1
    expected = ndimage.gaussian_laplace(impulse, 3.0, truncate=5)
    weights = parse_kernel("log:31,3").weights
    np.testing.assert_allclose(weights / np.abs(weights).sum(), expected / np.abs(expected).sum(), atol=2e-4)
    assert np.abs(weights).sum() == pytest.approx(8)


def test_unsharp_adds_what_the_blur_takes_away():
    image = np.random.default_rng(3).random((12, 14))
    blurred = correlated(image, "gaussian:5")
    expected = image[2:-2, 2:-2] + 1.5 * (image[2:-2, 2:-2] - blurred)
    np.testing.assert_allclose(correlated(image, "unsharp:5,1.5"), expected)


def test_motion_blurs_along_its_angle():
    np.testing.assert_allclose(parse_kernel("motion:5").weights, np.full((1, 5), 0.2))
    np.testing.assert_allclose(parse_kernel("motion:5,90").weights, np.full((5, 1), 0.2))
    assert parse_kernel("motion:4,90").weights.shape == (4, 2)  # an even line lies between two columns
    rising = parse_kernel("motion:9,30").weights
    down, across = np.nonzero(rising)
    slope = np.polyfit(across, down, 1, w=rising[down, across])[0]
    assert slope == pytest.approx(-np.tan(np.pi / 6), abs=0.02)  # rows count downwards
    np.testing.assert_allclose(rising, rising[::-1, ::-1], atol=1e-12)


def test_parameters_have_the_defaults_that_the_name_alone_gives():
    np.testing.assert_array_equal(parse_kernel("blur").weights, np.full((3, 3), 1 / 9))
    np.testing.assert_array_equal(parse_kernel("blur:4").weights, np.full((4, 4), 1 / 16))
    np.testing.assert_array_equal(parse_kernel("gaussian:").weights, parse_kernel("gaussian:5").weights)
    np.testing.assert_array_equal(parse_kernel("gaussian:7").weights, parse_kernel("gaussian:7,1.4").weights)


@pytest.mark.parametrize("text", ["sobel-x", " Sobel-X ", "SOBEL_X"])
def test_names_are_read_in_any_case_with_either_dash(text):
    np.testing.assert_array_equal(parse_kernel(text).weights, [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])


@pytest.mark.parametrize(
    "text",
    [
        "1 0 -1; 2 0 -2.5",
        "1,0,-1;2,0,-2.5",
        " 1, 0, -1 ;\n 2   0  -5/2 ; ",
        "1 0 -1\n2 0 -2.5",
        "[[1, 0, -1], [2, 0, -2.5]]",
        "[[ 1.   0.  -1. ]\n [ 2.   0.  -2.5]]",
        "+1 0/7 -1e0; 20e-1 -0 -5 / 2",
        "1 0 \N{MINUS SIGN}1; 2 0 \N{MINUS SIGN}2.5",
    ],
)
def test_a_matrix_is_read_however_it_is_written(text):
    np.testing.assert_array_equal(parse_kernel(text).weights, [[1, 0, -1], [2, 0, -2.5]])


def test_a_row_and_a_column_and_a_single_number_are_matrices():
    assert parse_matrix("1 2 3").shape == (1, 3)
    assert parse_matrix("1; 2; 3").shape == (3, 1)
    assert parse_matrix("-.5").tolist() == [[-0.5]]


def test_a_kernel_is_read_from_every_kind_of_file(tmp_path):
    expected = np.array([[1, 0, -1], [2, 0.25, -2]])
    np.save(tmp_path / "a.npy", expected.astype(np.float32))
    (tmp_path / "a.txt").write_text("# rising\n1 0 -1\n\n2 1/4 -2  # fraction\n")
    (tmp_path / "a.CSV").write_text("\ufeff1,0,-1\r\n2,0.25,-2\r\n", encoding="utf-8")
    for name in ("a.npy", "a.txt", "a.CSV"):
        kernel = parse_kernel(str(tmp_path / name))
        np.testing.assert_array_equal(kernel.weights, expected)
        assert kernel.weights.dtype == np.float64


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "kernel is empty; write a name such as sobel-x"),
        (" ; ", "kernel is empty"),
        ("sobel", r"there is no kernel 'sobel'; did you mean sobel-x or sobel-y\?"),
        ("gausian", r"did you mean gaussian\?"),
        ("laplace", r"did you mean laplacian\?"),
        ("zzz", "the names are identity, blur, box"),
        ("weights.json", r"ends in \.npy, \.txt, \.csv"),
        ("blur:0", "size of blur:SIZE must be a whole number from 1 to 1000, received '0'"),
        ("blur:2.5", "whole number from 1 to 1000, received '2.5'"),
        ("blur:1001", "from 1 to 1000, received '1001'"),
        ("blur:3,3", "kernel blur is written blur:SIZE, received 'blur:3,3'"),
        ("sobel-x:3", "kernel sobel-x takes no numbers"),
        ("gaussian:5,wide", "sigma of gaussian:SIZE,SIGMA must be a number, received 'wide'"),
        ("gaussian:5,0", "sigma must be a number above 0, received 0"),
        ("motion:9,inf", "angle of motion:SIZE,ANGLE must be a number"),
        ("unsharp:4", "size of unsharp:SIZE,AMOUNT must be odd"),
        ("log:2", "size of log:SIZE,SIGMA must be at least 3"),
        ("1 2; 3", "kernel row 2 has 1 numbers where row 1 has 2: '3'"),
        ("1 two", "kernel entry 'two' is not a number"),
        ("1 1/0", "kernel entry '1/0' divides by 0"),
        ("1 nan", "kernel entry 'nan' is not a number"),
        ("1e400", "kernel entry '1e400' is not a number"),
        ("1/2/3", "kernel entry '1/2/3' is not a number"),
    ],
)
def test_what_is_not_a_kernel_is_refused_with_words(text, words):
    with pytest.raises(ValueError, match=words):
        parse_kernel(text)


def test_files_that_hold_no_kernel_are_refused_with_words(tmp_path):
    np.save(tmp_path / "cube.npy", np.zeros((2, 2, 2)))
    np.save(tmp_path / "infinite.npy", np.array([[1, np.inf]]))
    np.save(tmp_path / "complex.npy", np.array([[1j]]))
    np.save(tmp_path / "wide.npy", np.zeros((1, MAX_TAPS + 1)))
    np.save(tmp_path / "objects.npy", np.array([[{}]], object), allow_pickle=True)
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY\1")
    (tmp_path / "empty.npy").write_bytes(b"")
    (tmp_path / "ragged.txt").write_text("1 2\n3\n")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\0\1")
    (tmp_path / "folder.csv").mkdir()
    for name, words in {
        "cube.npy": r"has shape \(2, 2, 2\)",
        "infinite.npy": "NaN or infinity",
        "complex.npy": "real numbers",
        "wide.npy": "1000 taps a side",
        "objects.npy": "Object arrays cannot be loaded",
        "broken.npy": "broken.npy: ",
        "empty.npy": "empty.npy: ",
        "ragged.txt": "ragged.txt: kernel row 2 has 1 numbers",
        "binary.txt": "binary.txt: ",
        "folder.csv": "cannot be read",
        "missing.txt": "no such file",
    }.items():
        with pytest.raises(ValueError, match=words) as caught:
            parse_kernel(str(tmp_path / name))
        assert "\n" not in str(caught.value)


def test_normalising_divides_by_the_sum_and_refuses_a_sum_of_zero():
    np.testing.assert_allclose(parse_kernel("1 2; 3 4").normalised().weights, [[0.1, 0.2], [0.3, 0.4]])
    with pytest.raises(ValueError, match="kernel sobel-y sums to 0"):
        parse_kernel("sobel-y").normalised()


@pytest.mark.parametrize("text", [*LIBRARY, "1/3 -2/7; 0 5"])
def test_a_printed_matrix_reads_back_as_what_was_printed(text):
    kernel = parse_kernel(text).weights
    printed = format_matrix(kernel)
    factor, _, rest = printed.rpartition("×")
    scale = 1 / int(factor.strip().removeprefix("1/")) if factor else 1
    np.testing.assert_allclose(parse_matrix(rest) * scale, kernel, atol=5.1e-5)

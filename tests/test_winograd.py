"""The Winograd schedule: right to its rounding on every target, exact about what is not finite, chosen with reason."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.cases import Case, by_definition, by_torch

from tweakconv import compile_conv2d, conv2d, reference, set_num_threads
from tweakconv.activations import Activation
from tweakconv.compiler import jit
from tweakconv.compiler.call import Call
from tweakconv.compiler.choose import choose, ways
from tweakconv.compiler.schedules import winograd
from tweakconv.compiler.schedules.winograd_driver import FIELDS
from tweakconv.compiler.schedules.winograd_forms import Form, forms
from tweakconv.compiler.schedules.winograd_transforms import (
    input_transform,
    inputs_along,
    kernel_matrix,
    kernel_transform,
    output_transform,
    products_along,
)
from tweakconv.compiler.spec import ConvSpec
from tweakconv.compiler.target import TARGETS, Target, get_target, runnable_targets
from tweakconv.compiler.threads import get_num_threads
from tweakconv.geometry import ConvGeometry

Array = NDArray[np.floating[Any]]

CASES = (
    Case("one tile exactly", (6, 6), (16, 16)),
    Case("less than a tile", (3, 4), (5, 7)),
    Case("one channel", (9, 10), (1, 3), padding="same"),
    Case("tails everywhere", (13, 22), (19, 37), padding="same", activation="relu"),
    Case("more tiles than at a time", (50, 47), (8, 16), padding="same"),
    Case("batch", (10, 11), (6, 20), padding="same", batch=3, bias=False),
    Case("groups", (9, 14), (22, 40), groups=2, padding="same", batch=2),
    Case("dilation", (23, 30), (7, 18), dilation_rate=(2, 3), padding="same", activation="relu"),
    Case("dilation with more phases than rows", (9, 40), (4, 17), dilation_rate=(4, 7), padding=((2, 1), (0, 5))),
    Case("pads wider than the kernel", (5, 6), (3, 4), padding=((7, 0), (1, 9))),
    Case("pads that crop", (17, 19), (3, 70), padding=((-2, 1), (3, -4))),
    Case("full", (7, 8), (33, 5), padding="full"),
    Case("sum of many channels", (9, 8), (530, 20), padding="same", activation="relu"),
    Case("residual", (13, 22), (19, 37), padding="same", residual=True, activation="relu6", batch=2),
    Case("residual and dilation", (23, 30), (7, 18), dilation_rate=(2, 3), residual=True, activation="gelu"),
    Case("leaky_relu", (9, 14), (22, 40), groups=2, padding="same", activation="leaky_relu", negative_slope=0.2),
    Case("reflect", (14, 19), (19, 37), padding="same", padding_mode="reflect", batch=2),
    Case("wrap and dilation", (13, 30), (16, 18), dilation_rate=(2, 3), padding="same", padding_mode="wrap"),
    Case("edge, pads larger than the image", (3, 4), (7, 18), padding=((7, 0), (1, 9)), padding_mode="edge"),
    Case("symmetric, a pad that crops", (9, 12), (3, 5), padding=((3, -1), (2, 5)), padding_mode="symmetric"),
    Case("constant", (9, 14), (22, 40), groups=2, padding="same", padding_mode="constant", constant_value=1.5),
    Case("5x5", (13, 22), (19, 37), kernel=(5, 5), padding="same", activation="relu", batch=2),
    Case("4x4 and dilation", (23, 30), (7, 18), kernel=(4, 4), dilation_rate=(2, 3), padding="full"),
    Case("1x3", (9, 22), (19, 37), kernel=(1, 3), padding=((2, 1), (3, 0)), residual=True),
    Case("5x1 and dilation", (23, 9), (19, 37), kernel=(5, 1), dilation_rate=(3, 1), padding="same"),
    Case("1x7", (9, 22), (33, 37), kernel=(1, 7), padding="same", residual=True, activation="relu"),
    Case("6x1 and dilation", (23, 9), (64, 17), kernel=(6, 1), dilation_rate=(3, 1), padding="same"),
    Case("3x5, groups", (13, 14), (22, 40), kernel=(3, 5), groups=2, padding="same", padding_mode="reflect"),
    Case("7x7", (15, 22), (33, 37), kernel=(7, 7), padding="same", activation="relu", batch=2),
    Case("6x6 and dilation", (23, 30), (20, 18), kernel=(6, 6), dilation_rate=(2, 3), padding="full"),
    Case("3x7", (9, 22), (70, 20), kernel=(3, 7), padding=((2, 1), (3, 0)), residual=True),
    Case("5x7, groups", (13, 14), (40, 36), kernel=(5, 7), groups=2, padding="same", padding_mode="symmetric"),
    Case("phases of five and six", (33, 34), (16, 20), dilation_rate=(6, 6), padding="same"),
    Case("phases of two and three", (33, 29), (16, 20), dilation_rate=(12, 12), padding="same", padding_mode="edge"),
    Case("stride 2", (23, 22), (19, 37), strides=(2, 2), padding="same", activation="relu", batch=2),
    Case("stride 2, less than a tile", (4, 3), (5, 70), strides=(2, 2), padding=((1, 0), (2, 1))),
    Case("stride 2, groups", (29, 14), (22, 40), strides=(2, 2), groups=2, padding="same", padding_mode="reflect"),
    Case("stride 2, residual", (17, 36), (16, 18), strides=(2, 2), padding=((-1, 2), (5, -3)), residual=True),
    Case("sigmoid", (10, 11), (6, 20), padding="same", batch=2, activation="sigmoid"),
)


def prepared(case: Case, kernel: Array, bias: Array | None, **more: Any) -> Any:
    shape = case.x_shape("channels_last")
    more["residual"] = case.residual
    return compile_conv2d(kernel, bias, input_shape=shape, algorithm="winograd", **case.arguments, **more)


def scale_of(case: Case, x: Array, kernel: Array) -> Array:
    """The sum of absolute products, which rounding errors are measured by."""
    arguments = {
        **case.arguments,
        "activation": None,
        "negative_slope": None,
        "constant_value": abs(case.constant_value),
    }
    return np.asarray(reference.conv(abs(x), abs(kernel), **arguments))


@pytest.mark.usefixtures("winograd_plans")
@pytest.mark.parametrize("target", runnable_targets())
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_results_are_right_to_a_few_roundings(case: Case, target: str) -> None:
    x, kernel, bias = case.arrays("channels_last", np.float32)
    y = prepared(case, kernel, bias, target=target)(x, residual=case.added("channels_last", np.float32))
    bound = 3e-6 * scale_of(case, x, kernel).max()
    assert abs(y - by_definition(case, x, kernel, bias, "channels_last")).max() < bound
    assert abs(y - by_torch(case, x, kernel, bias, "channels_last")).max() < bound


@pytest.mark.usefixtures("winograd_plans")
@pytest.mark.parametrize("target", runnable_targets())
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_reaches_exactly_the_outputs_whose_taps_touch_it(value: float, target: str) -> None:
    for case in CASES:
        x, kernel, bias = case.arrays("channels_last", np.float32)
        rng = np.random.default_rng(5)
        x.reshape(-1)[rng.integers(x.size, size=1 + x.size // 300)] = value
        y = prepared(case, kernel, bias, target=target)(x, residual=case.added("channels_last", np.float32))
        expected = by_definition(case, x, kernel, bias, "channels_last")
        finite = np.isfinite(expected)
        np.testing.assert_array_equal(y[~finite], expected[~finite])
        clean = np.where(np.isfinite(x), x, 0)
        assert abs(y[finite] - expected[finite]).max(initial=0) < 3e-6 * scale_of(case, clean, kernel).max()


@pytest.mark.usefixtures("winograd_plans")
def test_sums_that_fit_do_not_overflow_in_the_transforms() -> None:
    x = np.full((1, 6, 6, 16), 1.5e38, np.float32)
    x[:, ::2] *= -1
    kernel = np.zeros((3, 3, 16, 16), np.float32)
    kernel[1, 1, 3] = 1
    y = compile_conv2d(kernel, input_shape=x.shape, algorithm="winograd")(x)
    np.testing.assert_array_equal(y, conv2d(x, kernel, algorithm="direct"))


@pytest.mark.usefixtures("winograd_plans")
@pytest.mark.parametrize(
    ("taps", "stride"), [((3, 3), 1), ((4, 4), 1), ((5, 5), 1), ((3, 5), 1), ((7, 7), 1), ((3, 3), 2)]
)
def test_images_of_one_to_nine_outputs_are_right(taps: tuple[int, int], stride: int) -> None:
    for high, wide in zip(range(1, 10), (5, 1, 8, 2, 9, 4, 7, 3, 6), strict=True):
        size = ((high - 1) * stride + taps[0], (wide - 1) * stride + taps[1])
        case = Case("", size, (18, 20), kernel=taps, strides=(stride, stride), activation="relu")
        x, kernel, bias = case.arrays("channels_last", np.float32)
        y = prepared(case, kernel, bias)(x)
        assert y.shape[1:3] == (high, wide)
        expected = by_definition(case, x, kernel, bias, "channels_last")
        assert abs(y - expected).max() < 3e-6 * scale_of(case, x, kernel).max()


def measured_forms() -> list[Any]:
    """Forms with the fewest channels that they are for, but at least 16, with some more, and with many."""
    kernels = ((3, 3), (4, 4), (5, 5), (6, 6), (7, 7), (3, 4), (3, 5), (3, 7), (5, 7), (6, 7))
    of_rows = ((1, 3), (1, 4), (5, 1), (1, 6), (7, 1))
    return [
        pytest.param(form, channels, id=f"{form} {channels} channels")
        for kernel in kernels + of_rows
        for form in forms(kernel, 512)
        for channels in sorted({max(16, form.least_channels), 64, 256})
        if channels >= form.least_channels
    ] + [
        pytest.param(form, channels, id=f"{form} {channels} channels")
        for form in forms((3, 3), 64, (2, 2))
        for channels in (4, 16, 64, 256)
    ]


@pytest.mark.parametrize(("form", "channels"), measured_forms())
@pytest.mark.parametrize("data", ["normal", "after a ReLU"])
def test_errors_are_at_most_three_times_those_of_a_plain_sum(
    form: Form, channels: int, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both as RMS(error) / RMS(sum of |x||w|), against float64; the plain sum adds product after product in float32."""
    taps = form.taps
    rng = np.random.default_rng(channels)
    x = rng.standard_normal((1, 14, 14, channels)).astype(np.float32)
    if data != "normal":
        x = np.maximum(x, 0)
    kernel = (rng.standard_normal((*taps, channels, 16)) / np.sqrt(taps[0] * taps[1] * channels)).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(x[0], taps, (0, 1))[:: form.strides[0], :: form.strides[1]]
    high, wide = windows.shape[:2]
    plain = np.zeros((high, wide, 16), np.float32)
    for i, j, c in np.ndindex(*taps, channels):
        plain += windows[:, :, c, i, j, None] * kernel[i, j, c]
    exact = reference.conv(x, kernel, strides=form.strides)[0]

    def error(y: Array) -> float:
        return float(np.sqrt(np.mean((y - exact) ** 2)))

    for late in (False, True):
        monkeypatch.setattr(
            winograd, "plans", lambda *of, in_bands=False, late=late: [winograd.plan(*of, form, late=late)]
        )
        ours = compile_conv2d(kernel, input_shape=x.shape, strides=form.strides, algorithm="winograd")(x)[0]
        assert error(ours) <= 3 * error(plain)


@pytest.fixture
def _same_threads_afterwards() -> Iterator[None]:
    before = get_num_threads()
    yield
    set_num_threads(before)


@pytest.mark.usefixtures("_same_threads_afterwards", "winograd_plans")
def test_the_same_bits_for_any_number_of_threads_any_batch_and_any_layout_of_the_input() -> None:
    rng = np.random.default_rng(9)
    x = rng.standard_normal((3, 41, 38, 24)).astype(np.float32)
    kernel = rng.standard_normal((3, 3, 24, 40)).astype(np.float32)
    conv = compile_conv2d(kernel, input_shape=x.shape, padding="same", algorithm="winograd")
    set_num_threads(1)
    y = conv(x)
    for threads in (2, 3, 4):
        set_num_threads(threads)
        np.testing.assert_array_equal(conv(x), y)
        np.testing.assert_array_equal(conv(x[1:2]), y[1:2])
        np.testing.assert_array_equal(conv(x[::-1]), y[::-1])
        np.testing.assert_array_equal(conv(np.asfortranarray(x)), y)


@pytest.mark.parametrize(
    ("channels", "size", "threads", "shares_rounds"),
    [
        ((64, 64), 56, 2, False),  # the weights stay in cache
        ((512, 512), 56, 2, False),  # many tiles for each weight
        ((512, 512), 14, 2, True),
        ((512, 192), 14, 3, True),
        ((512, 512), 14, 1, False),
    ],
)
def test_threads_take_rounds_of_their_own_or_share_them_where_weights_are_many_and_tiles_few(
    channels: tuple[int, int], size: int, threads: int, shares_rounds: bool
) -> None:
    spec = ConvSpec((3, 3), (1, 1), (1, 1), *channels, 1, channels_last=True, double=False)
    plan = winograd.plan(spec, TARGETS["avx512"])
    geometry = ConvGeometry.of((size, size), 3, padding="same", in_channels=channels[0], out_channels=channels[1])
    call = Call(1, geometry, (0, 0, 1), (0, 0, 1), threads)
    fields = dict(zip(FIELDS, winograd.integers(plan, call), strict=True))
    tiles = (-(-size // 4)) ** 2
    assert fields["tile_rows"] * fields["tile_columns"] == tiles
    assert fields["rounds"] * fields["tiles_per_round"] >= tiles > (fields["rounds"] - 1) * fields["tiles_per_round"]
    assert fields["tiles_per_round"] <= plan.tiles
    assert fields["loads"] * fields["tiles_per_load"] >= fields["tiles_per_round"]
    assert fields["tile_shares"] * fields["tiles_per_share"] >= fields["tiles_per_round"]
    assert fields["channel_shares"] * fields["blocks_per_share"] == plan.products.out_block_count
    assert (fields["tasks_per_round"] > 1) == shares_rounds == bool(winograd.space(plan, call).shared)
    if shares_rounds:
        assert fields["tasks_per_round"] - fields["first_use"] >= threads
    else:
        assert (fields["tasks_per_round"], fields["first_use"]) == (1, 0)


@pytest.mark.usefixtures("_same_threads_afterwards", "winograd_plans")
@pytest.mark.parametrize("target", runnable_targets())
def test_the_same_bits_where_threads_share_rounds(target: str) -> None:
    rng = np.random.default_rng(10)
    x = rng.standard_normal((5, 6, 7, 320)).astype(np.float32)
    kernel = rng.standard_normal((3, 3, 320, 330)).astype(np.float32)
    arguments = {"input_shape": x.shape, "padding": "same", "target": target}
    conv = compile_conv2d(kernel, algorithm="winograd", **arguments)
    set_num_threads(1)
    y = conv(x)
    for threads in (2, 3, 4, 6):
        set_num_threads(threads)
        for _ in range(5):
            np.testing.assert_array_equal(conv(x), y)
        call = Call(5, conv.geometry, (0, 0, 1), (0, 0, 1), threads=threads)
        fields = dict(zip(FIELDS, winograd.integers(conv.built.choice.plan, call), strict=True))
        assert fields["tasks_per_round"] > 1
    np.testing.assert_allclose(y, compile_conv2d(kernel, algorithm="direct", **arguments)(x), atol=3e-3)


class Numbers:
    """What a transform asks of a builder, done to numbers."""

    add = staticmethod(lambda a, b: a + b)
    subtract = staticmethod(lambda a, b: a - b)
    times = staticmethod(lambda a, number: a * number)
    scaled = staticmethod(lambda a, number, b: a * number + b)


@pytest.mark.parametrize(("taps", "inputs"), [(3, 5), (3, 6), (4, 6), (4, 7), (5, 6), (5, 7), (6, 7), (6, 8), (7, 8)])
def test_the_transforms_compute_a_convolution_in_exact_arithmetic(taps: int, inputs: int) -> None:
    rng = np.random.default_rng(1)
    d, g = rng.standard_normal(inputs), rng.standard_normal(taps)
    values = np.array(input_transform(Numbers(), list(d))) * (kernel_transform(taps, len(d)) @ g)  # type: ignore[arg-type]
    outputs = output_transform(Numbers(), list(values), inputs + 1 - taps)  # type: ignore[arg-type]
    np.testing.assert_allclose(outputs, np.correlate(d, g, "valid"), rtol=1e-12)


@pytest.mark.parametrize("form", forms((3, 3), 64, (2, 2)), ids=str)
def test_the_transforms_compute_a_convolution_at_stride_2_in_exact_arithmetic(form: Form) -> None:
    rng = np.random.default_rng(2)
    d, g = rng.standard_normal(form.patch[0]), rng.standard_normal(3)
    kernel = kernel_matrix(form, 0) @ g
    at_points = inputs_along(Numbers(), form, 0)(list(d))  # type: ignore[arg-type]
    products = [value * kernel[min(i, len(kernel) - 1)] for i, value in enumerate(at_points)]  # type: ignore[operator]
    outputs = products_along(Numbers(), form, 0)(products)  # type: ignore[arg-type]
    np.testing.assert_allclose(outputs, np.correlate(d, g, "valid")[::2], rtol=1e-12)


def test_it_is_chosen_for_layers_that_gain_and_the_explanation_says_so() -> None:
    def chosen(size: int, channels: tuple[int, int], **more: Any) -> Any:
        kernel = np.full((3, 3, *channels), 0.1, more.pop("dtype", np.float32))
        return compile_conv2d(kernel, input_shape=(1, size, size, channels[0]), padding="same", **more)

    assert "algorithm  winograd: estimated to take 0." in chosen(56, (64, 64)).explain()
    assert chosen(28, (256, 256), dilation_rate=2).built.choice.algorithm == "winograd"
    assert chosen(56, (64, 64), strides=2).built.choice.algorithm == "winograd"
    for conv in (
        chosen(56, (3, 4)),
        chosen(56, (64, 64), strides=3),
        chosen(13, (512, 512), strides=2),  # whose weights stream
        chosen(56, (64, 64), dtype=np.float64),
        chosen(56, (64, 64), algorithm="direct"),
    ):
        assert conv.built.choice.algorithm == "direct"


def test_weights_that_stream_past_a_few_tiles_decide_by_how_fast_they_come() -> None:
    spec = ConvSpec((3, 3), (1, 1), (1, 1), 512, 512, 1, channels_last=True, double=False)
    slow = TARGETS["avx512"]
    assert choose(spec, slow, (7, 7)).algorithm == "direct"
    assert choose(spec, replace(slow, near=40.0, far=16.0), (7, 7)).algorithm == "winograd"
    assert choose(spec, slow, (28, 28)).algorithm == "winograd"


def test_the_form_is_the_one_whose_tiles_fit_the_output() -> None:
    target = TARGETS["avx512"]
    spec = ConvSpec((3, 3), (1, 1), (1, 1), 320, 256, 1, channels_last=True, double=False)
    for dilation, size, form in (
        (1, 56, "winograd"),
        (6, 33, "winograd F(3x3, 3x3)"),  # phases of five and six outputs: 100 products a channel, where 4x4 takes 144
        (12, 33, "winograd F(3x3, 3x3)"),  # phases of two and three: 25 instead of 36
        (2, 16, "winograd"),  # phases of eight
    ):
        assert choose(replace(spec, dilation=(dilation, dilation)), target, (size, size)).label == form
    wide = replace(spec, in_channels=128, out_channels=128)
    assert choose(replace(wide, kernel=(5, 5)), target, (28, 28)).label == "winograd F(3x3, 5x5)"
    assert choose(replace(wide, kernel=(7, 7)), target, (46, 46)).label == "winograd"
    assert choose(replace(wide, kernel=(7, 7), in_channels=64), target, (46, 46)).label == "direct"  # rounds too much


def test_the_plan_tells_its_form_and_the_parts_of_its_sums() -> None:
    kernel = np.random.default_rng(0).standard_normal((7, 7, 128, 16)).astype(np.float32)
    told = compile_conv2d(kernel, input_shape=(1, 46, 46, 128), algorithm="winograd").explain()
    assert "F(2x2, 7x7): 64 products for 4 outputs instead of 196" in told
    assert "sums are cut into parts of 16 channels" in told


def test_a_single_call_counts_the_packing_of_the_weights() -> None:
    spec = ConvSpec((3, 3), (1, 1), (1, 1), 256, 256, 1, channels_last=True, double=False)
    target = TARGETS["avx512"]
    few, many = (replace(spec, in_channels=channels, out_channels=channels) for channels in (64, 512))
    assert choose(few, target, (14, 14)).label == "winograd"
    assert choose(few, target, (14, 14), packs=True).label == "winograd with late weights"
    assert choose(spec, target, (14, 14), packs=True).label.endswith("with late weights")
    assert choose(few, target, (112, 112), packs=True).label == "winograd"
    assert choose(many, target, (4, 4)).label == choose(many, target, (4, 4), packs=True).label == "direct"


def test_kernels_that_are_not_finite_are_summed_directly() -> None:
    kernel = np.ones((3, 3, 32, 32), np.float32)
    kernel[1, 1, 1, 1] = np.inf
    conv = compile_conv2d(kernel, input_shape=(1, 56, 56, 32), padding="same")
    assert conv.built.choice.algorithm == "direct"
    with pytest.raises(ValueError, match=r"algorithm: received 'winograd'.*NaN, infinity"):
        compile_conv2d(kernel, input_shape=(1, 56, 56, 32), algorithm="winograd")


def test_kernels_that_would_overflow_and_biases_that_are_not_finite_are_summed_directly() -> None:
    shape, kernel = (1, 56, 56, 64), np.full((3, 3, 64, 64), 2e38, np.float32)
    assert compile_conv2d(kernel, input_shape=shape).built.choice.algorithm == "direct"
    bias = np.zeros(64)
    bias[3] = np.inf
    assert compile_conv2d(kernel / 3e38, bias, input_shape=shape).built.choice.algorithm == "direct"
    assert compile_conv2d(kernel / 3e38, input_shape=shape).built.choice.algorithm == "winograd"


def bytes_of_a_thread(spec: ConvSpec, target: Target, threads: int, size: int = 56) -> float:
    """What a thread's working space takes, with its part of what threads share."""
    geometry = ConvGeometry.of((size, size), spec.kernel, in_channels=spec.in_channels, out_channels=spec.out_channels)
    spaces = [winograd.space(p, Call(1, geometry, (0, 0, 0), (0, 0, 0), threads)) for p in winograd.plans(spec, target)]
    return max(own + shared / threads for own, shared in spaces)


def test_more_channels_than_working_space_allows_are_summed_directly() -> None:
    spec = ConvSpec((3, 3), (1, 1), (1, 1), 22_000, 64, 1, channels_last=True, double=False)
    for target in TARGETS.values():
        assert choose(spec, target, (500, 500)).algorithm == "direct"
        for channels in (512, 1024, 3000, 5000):
            fewer = replace(spec, in_channels=channels)
            assert not winograd.applies(fewer, target) or bytes_of_a_thread(fewer, target, 1) <= 8_000_000
        assert winograd.applies(replace(spec, in_channels=1024), target)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"algorithm": "im2col"},
            r"received 'im2col'; choose one of 'auto', 'depthwise', 'direct', 'fft', 'grouped', 'rows', 'separable', "
            r"'tiles', 'winograd'",
        ),
        (
            {"algorithm": "winograd", "strides": (1, 2)},
            r"algorithm: received 'winograd', which computes 1 or 3 to 7 taps along each axis",
        ),
        (
            {"algorithm": "depthwise"},
            r"algorithm: received 'depthwise', which computes depthwise convolution with 1, 2",
        ),
        ({"algorithm": "rows"}, r"algorithm: received 'rows', which computes one output channel"),
        ({"algorithm": "grouped"}, r"algorithm: received 'grouped', which computes two groups or more"),
    ],
)
def test_an_algorithm_that_does_not_compute_the_convolution_is_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        conv2d(np.ones((1, 8, 8, 8), np.float32), np.ones((3, 3, 8, 4)), **arguments)


@pytest.mark.usefixtures("winograd_plans")
def test_a_copy_holds_the_kernel_that_was_packed() -> None:
    case = CASES[6]
    x, kernel, bias = case.arrays("channels_last", np.float32)
    conv = prepared(case, kernel, bias)
    np.testing.assert_array_equal(conv._packer.unpack(conv._weights), kernel)
    np.testing.assert_array_equal(copy.deepcopy(conv)(x), conv(x))


ALL_FORMS = [*forms((3, 3), 18), *forms((5, 5), 512), *forms((7, 7), 512), *forms((3, 3), 18, (2, 2))]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("form", ALL_FORMS, ids=str)
@pytest.mark.parametrize("target", TARGETS)
def test_every_target_compiles_without_calls_to_a_library(target: str, form: Form, late: bool) -> None:
    spec = ConvSpec(
        form.taps,
        form.strides,
        (2, 1) if form.strides == (1, 1) else (1, 1),
        18,
        37,
        1,
        channels_last=True,
        double=False,
        activation=Activation("relu"),
    )
    plan = winograd.plan(spec, TARGETS[target], form, late=late)
    text = jit.assembly(winograd.emit(plan), TARGETS[target])
    calls = {line.split()[-1] for line in text.splitlines() if line.split()[:1] in (["callq"], ["bl"])}
    assert calls
    assert all(name.startswith(("transform_", "products_", "direct_", "fill", ".L")) for name in calls)


@pytest.mark.parametrize("taps", [(3, 3), (5, 5), (7, 7)])
@pytest.mark.parametrize("channels", [(8, 8), (128, 64), (512, 512), (1024, 1024)])
def test_working_space_of_a_thread_is_at_most_8_mb(channels: tuple[int, int], taps: tuple[int, int]) -> None:
    spec = ConvSpec(taps, (1, 1), (1, 1), *channels, 1, channels_last=True, double=False)
    for name in runnable_targets():
        for threads in (1, 2, 3, 16):
            for size in (9, 56):
                if winograd.applies(spec, get_target(name)):
                    assert bytes_of_a_thread(spec, get_target(name), threads, size) <= 8_000_000


@pytest.mark.parametrize("dilation", [(2, 2), (6, 6), (12, 1)])
@pytest.mark.parametrize("channels", [(64, 64), (320, 256), (512, 512)])
def test_working_space_with_that_of_bands_is_at_most_8_mb(channels: tuple[int, int], dilation: tuple[int, int]) -> None:
    spec = ConvSpec((3, 3), (1, 1), dilation, *channels, 1, channels_last=False, double=False)
    geometry = ConvGeometry.of(
        (90, 65), 3, dilation_rate=dilation, padding=dilation, in_channels=channels[0], out_channels=channels[1]
    )
    call = Call(1, geometry, (0, 0, 0), (0, 0, 0), 1)
    for name in runnable_targets():
        found = ways("winograd", spec, get_target(name))
        assert found
        assert max(way.schedule.space(way.plan, call).own for way in found) <= 8_000_000

"""float16 and bfloat16: stored so, computed in float32, and rounded once, when results are stored.

With small whole numbers the sums are exact, so that a result is known to the bit: the definition's, rounded. Rounding
is NumPy's for float16 and that of ml_dtypes for bfloat16, which know nothing of the compiler.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

if __name__ == "__main__":  # so that the program, too, finds what lies beside it
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import ml_dtypes
from tests.cases import CASES, FORMATS, Case, by_definition, summed
from tests.conftest import RunPython
from tests.family import FAMILY, Kin
from tests.family import by_definition as family_by_definition
from tests.test_compiled import any_case
from tests.test_family_memory import run
from tests.test_memory_safety import guarded, needs_mprotect
from tests.test_targets import undefined_symbols

import tweakconv as tc
from tweakconv import compile_conv2d, conv2d, reference
from tweakconv.compiler import jit
from tweakconv.compiler.choose import choose
from tweakconv.compiler.elements import ELEMENTS
from tweakconv.compiler.target import TARGETS, runnable_targets

FLOAT16, BFLOAT16 = np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)
TYPES = (FLOAT16, BFLOAT16)
EXACT = (None, "relu", "relu6", "leaky_relu")
HERE = runnable_targets()


def digits(dtype: np.dtype[Any]) -> float:
    """Half a unit in the last place of 1."""
    return float(2.0**-11 if dtype == FLOAT16 else 2.0**-8)


def rounded(exact: Any, dtype: np.dtype[Any]) -> Any:
    with np.errstate(over="ignore"):
        return np.asarray(exact).astype(np.float32).astype(dtype)


def assert_rounded_once(y: Any, exact: Any, dtype: np.dtype[Any], *, is_exact: bool) -> None:
    """The definition's result, rounded; where activations add their own roundings, half a unit and a little."""
    assert y.dtype == dtype
    if is_exact:
        np.testing.assert_array_equal(y.astype(np.float64), rounded(exact, dtype).astype(np.float64))
        return
    smallest = 2.0**-24 if dtype == FLOAT16 else 0.0  # float16's numbers next to 0 are as far apart as this
    allowed = np.abs(exact) * digits(dtype) * 1.01 + smallest / 2 + 2e-6 * np.abs(exact).max()
    assert (np.abs(y.astype(np.float64) - exact) <= allowed).all()


def turn_of(number: int, data_format: str, target: str) -> np.dtype[Any]:
    """The types take turns over a table, so that each meets every format and target."""
    return TYPES[(number + FORMATS.index(data_format) + sorted(TARGETS).index(target)) % 2]


@pytest.mark.parametrize("target", HERE)
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_table_of_cases(case: Case, data_format: str, target: str) -> None:
    dtype = turn_of(CASES.index(case), data_format, target)
    x, kernel, bias = case.arrays(data_format, dtype, whole=True)
    arguments = {**case.arguments, "data_format": data_format, "algorithm": summed(case), "residual": case.residual}
    conv = compile_conv2d(kernel, bias, input_shape=x.shape, target=target, **arguments)
    wide = (array if array is None else array.astype(np.float64) for array in (x, kernel, bias))
    exact = by_definition(case, *wide, data_format)
    y = conv(x, residual=case.added(data_format, dtype))
    assert_rounded_once(y, exact, dtype, is_exact=case.activation in EXACT)


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("kin", FAMILY, ids=lambda kin: kin.name)
def test_table_of_the_family(kin: Kin, data_format: str) -> None:
    dtype = turn_of(FAMILY.index(kin), data_format, "avx512")
    x, kernels, bias = kin.arrays(data_format, dtype, whole=True)
    wide = x.astype(np.float64), [k.astype(np.float64) for k in kernels], None if bias is None else bias.astype("f8")
    plain = family_by_definition(kin, *wide, data_format)
    residual = kin.added(plain.shape, np.float64)
    exact = family_by_definition(kin, *wide, data_format, residual)
    added = None if residual is None else residual.astype(dtype)
    y = kin.operation(x, *kernels, bias, data_format=data_format, residual=added, **kin.tweaks)
    assert_rounded_once(y, exact, dtype, is_exact=kin.activation in EXACT)


@settings(max_examples=40)
@given(any_case(), st.sampled_from(FORMATS), st.sampled_from(TYPES), st.sampled_from(HERE))
def test_any_geometry_is_rounded_once(case: Case, data_format: str, dtype: np.dtype[Any], target: str) -> None:
    x, kernel, bias = case.arrays(data_format, dtype, whole=True)
    arguments = {**case.arguments, "data_format": data_format, "residual": case.residual, "dtype": dtype}
    conv = compile_conv2d(kernel, bias, input_shape=x.shape, target=target, **arguments)
    wide = (array if array is None else array.astype(np.float64) for array in (x, kernel, bias))
    exact = by_definition(case, *wide, data_format)
    y = conv(x, residual=case.added(data_format, dtype))
    assert_rounded_once(y, exact, dtype, is_exact=case.activation in EXACT)


SHAPES = (  # schedule, channels, kernel, groups, data format
    ("direct", (70, 50), (3, 3), 1, "channels_last"),
    ("direct", (70, 50), (3, 3), 1, "channels_first"),
    ("direct", (600, 9), (1, 2), 1, "channels_last"),
    ("grouped", (40, 40), (3, 3), 40, "channels_last"),
    ("depthwise", (40, 40), (3, 3), 40, "channels_last"),
    ("rows", (6, 6), (5, 3), 6, "channels_first"),
    ("winograd", (70, 50), (3, 3), 1, "channels_last"),
)


@pytest.mark.parametrize("target", HERE)
@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize(("algorithm", "channels", "kernel", "groups", "data_format"), SHAPES)
def test_errors_are_half_a_unit_of_the_type_and_those_of_a_float32_sum(
    algorithm: str, channels: Any, kernel: Any, groups: int, data_format: str, dtype: np.dtype[Any], target: str
) -> None:
    case = Case("noise", (11, 37), channels, kernel=kernel, groups=groups, padding="same")
    x, weights, bias = case.arrays(data_format, dtype)
    arguments = {"padding": "same", "groups": groups, "data_format": data_format}
    conv = compile_conv2d(weights, bias, input_shape=x.shape, algorithm=algorithm, target=target, **arguments)
    assert conv.built.choice.algorithm == algorithm
    wide = [np.asarray(array, np.float64) for array in (x, weights, bias)]
    exact = reference.conv(*wide, **arguments)
    magnitude = reference.conv(*map(np.abs, wide), **arguments)
    smallest = 2.0**-25 if dtype == FLOAT16 else 0
    tile = magnitude.max() if algorithm == "winograd" else magnitude  # whose errors go with what lies beside
    allowed = digits(dtype) * np.abs(exact) * (1 + 2.0**-12) + smallest + 16 * 2.0**-24 * tile
    assert (np.abs(conv(x).astype(np.float64) - exact) <= allowed).all()


@pytest.mark.parametrize("target", HERE)
@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("channels", [(64, 64), (33, 70)])
def test_winograds_results_are_activated_before_they_are_rounded(
    channels: tuple[int, int], dtype: np.dtype[Any], target: str
) -> None:
    case = Case("activated", (9, 14), channels, padding="same", activation="silu", residual=True)
    x, kernel, bias = case.arrays("channels_last", dtype)
    arguments = {**case.arguments, "residual": True, "algorithm": "winograd", "target": target}
    conv = compile_conv2d(kernel / np.float32(16), bias, input_shape=x.shape, dtype=dtype, **arguments)
    exact = by_definition(case, x.astype("f8"), kernel.astype("f8") / 16, bias.astype("f8"), "channels_last")
    y = conv(x, residual=case.added("channels_last", dtype))
    assert_rounded_once(y, exact, dtype, is_exact=False)


def all_numbers(dtype: np.dtype[Any]) -> Any:
    return np.arange(1 << 16, dtype=np.uint16).view(dtype)


@pytest.mark.parametrize("target", HERE)
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("factor", [1, 1 / 3, 2.0**-12 * 1.25, 3])
def test_every_number_is_read_and_rounded_as_the_type_says(
    factor: float, dtype: np.dtype[Any], data_format: str, target: str
) -> None:
    numbers = all_numbers(dtype)
    x = numbers.reshape((1, 16, 4096, 1) if data_format == "channels_last" else (1, 1, 16, 4096))
    kernel = np.array([factor, -factor], np.float32).reshape(1, 1, 1, 2)
    conv = compile_conv2d(kernel, input_shape=x.shape, dtype=dtype, data_format=data_format, target=target)
    y = np.moveaxis(conv(x), -1 if data_format == "channels_last" else 1, 0).reshape(2, -1)
    with np.errstate(all="ignore"):  # NaN that signals, and what overflows
        products = numbers.astype(np.float32) * np.float32(factor)
        for got, expected in zip(y, (products.astype(dtype), (-products).astype(dtype)), strict=True):
            np.testing.assert_array_equal(got.astype(np.float32), expected.astype(np.float32))


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize(("algorithm", "channels", "kernel", "groups", "data_format"), SHAPES)
def test_nan_and_infinity_go_where_the_definition_sends_them(
    algorithm: str, channels: Any, kernel: Any, groups: int, data_format: str, dtype: np.dtype[Any]
) -> None:
    case = Case("strange", (9, 30), channels, kernel=kernel, groups=groups, padding="same")
    x, weights, bias = case.arrays(data_format, dtype, whole=True)
    x.reshape(-1)[7], x.reshape(-1)[x.size // 2], x.reshape(-1)[-5] = np.nan, np.inf, -np.inf
    y = conv2d(x, weights, bias, padding="same", groups=groups, data_format=data_format, algorithm=algorithm)
    exact = by_definition(case, x.astype("f8"), weights.astype("f8"), bias.astype("f8"), data_format)
    for test in (np.isnan, np.isposinf, np.isneginf):
        np.testing.assert_array_equal(test(y.astype(np.float64)), test(exact))


@pytest.mark.parametrize("data_format", FORMATS)
def test_float16_overflows_to_infinity_only_when_it_is_stored(data_format: str) -> None:
    x = np.full((1, 16, 16, 16), 60000, np.float16)
    kernel = np.zeros((1, 1, 16, 3), np.float32)
    kernel[0, 0, :2, 0] = 1, 1  # 120000
    kernel[0, 0, :2, 1] = 1, -1  # beyond on the way, in some orders
    kernel[0, 0, :4, 2] = -4, 1, 1, 1
    y = conv2d(x, kernel, data_format=data_format)
    planes = np.moveaxis(y, -1 if data_format == "channels_last" else 1, 0)
    assert [float(plane.max()) for plane in planes] == [np.inf, 0, -60000]


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("data_format", FORMATS)
def test_threads_and_batches_change_no_bit(data_format: str, dtype: np.dtype[Any]) -> None:
    case = Case("threads", (40, 60), (20, 33), batch=3, padding="same", activation="silu")
    x, kernel, bias = case.arrays(data_format, dtype)
    before = tc.get_num_threads()
    conv = compile_conv2d(kernel, bias, input_shape=x.shape, padding="same", activation="silu", data_format=data_format)
    try:
        results = []
        for number in (1, 2, 3):
            tc.set_num_threads(number)
            results.append(conv(x))
        alone = np.concatenate([conv(image[None]) for image in x])
    finally:
        tc.set_num_threads(before)
    for result in (*results[1:], alone):
        np.testing.assert_array_equal(result.view(np.uint16), results[0].view(np.uint16))


def test_weights_of_another_type_are_not_rounded_to_that_of_the_arrays() -> None:
    kernel = np.full((1, 1, 1, 1), 1 + 2.0**-13, np.float32)
    y = conv2d(np.full((1, 1, 1, 1), 2048, np.float16), kernel, np.float32([1025]))
    assert float(y[0, 0, 0, 0]) == 3074  # 3073.25; with a weight of 1 it is 3073, which lies in between, and 3072


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_what_lies_between_the_parts_of_a_separable_convolution_is_not_rounded(dtype: np.dtype[Any]) -> None:
    x = np.ones((1, 4, 4, 2), dtype)
    fraction = np.float32(1 + 2.0**-14)
    y = tc.separable_conv2d(x, np.full((1, 1, 2, 1), fraction), np.array([fraction, -1]).reshape(1, 1, 2, 1))
    expected = np.float32(np.float64(fraction) ** 2 - np.float64(fraction)).astype(dtype)
    assert (y == expected).all()


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_a_prepared_convolution_of_the_kernels_type_is_pickled_with_it(dtype: np.dtype[Any]) -> None:
    conv = compile_conv2d(np.ones((3, 3, 2, 4), dtype), input_shape=(1, 8, 8, 2))
    x = np.ones((1, 8, 8, 2), dtype)
    again = pickle.loads(pickle.dumps(conv))
    assert again(x).dtype == again.dtype == dtype
    np.testing.assert_array_equal(again(x).view(np.uint16), conv(x).view(np.uint16))
    assert f"channels_last, {dtype}" in conv.explain()


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_strided_views_and_out_are_taken(dtype: np.dtype[Any]) -> None:
    case = Case("views", (8, 10), (6, 9), padding="same")
    x, kernel, bias = case.arrays("channels_last", dtype, whole=True)
    rows = np.repeat(x, 2, axis=1)[:, ::2]
    expected = conv2d(x, kernel, bias, padding="same")
    out = np.empty_like(expected)
    assert conv2d(rows, kernel, bias, padding="same", out=out) is out
    np.testing.assert_array_equal(out.view(np.uint16), expected.view(np.uint16))
    turned = conv2d(x[..., ::-1], kernel, bias, padding="same")
    np.testing.assert_array_equal(
        turned.astype("f8"), conv2d(x[..., ::-1].copy(), kernel, bias, padding="same").astype("f8")
    )


def test_big_endian_float16_is_converted() -> None:
    x = np.arange(9, dtype=">f2").reshape(1, 3, 3, 1)
    assert conv2d(x, np.ones((3, 3, 1, 1))).dtype == FLOAT16
    assert float(conv2d(x, np.ones((3, 3, 1, 1)))[0, 0, 0, 0]) == 36


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_arrays_of_another_type_are_refused_with_how_to_convert_them(dtype: np.dtype[Any]) -> None:
    conv = compile_conv2d(np.ones((3, 3, 2, 4), dtype), input_shape=(1, 8, 8, 2))
    module = "np" if dtype == FLOAT16 else "ml_dtypes"
    with pytest.raises(TypeError, match=rf"^x: received dtype float32.*takes {dtype}.*x.astype\({module}.{dtype}\)"):
        conv(np.ones((1, 8, 8, 2), np.float32))
    with pytest.raises(TypeError, match=rf"^out: received dtype float64; the result has {dtype}"):
        conv(np.ones((1, 8, 8, 2), dtype), np.empty((1, 6, 6, 4)))


def test_without_ml_dtypes_the_name_of_its_type_is_refused_with_where_it_is_found(run_python: RunPython) -> None:
    done = run_python("""
        import sys, numpy as np, tweakconv as tc
        try:
            tc.compile_conv2d(np.ones((3, 3, 1, 1)), input_shape=(1, 8, 8, 1), dtype="bfloat16")
        except TypeError as error:
            print(error)
        tc.conv2d(np.ones((1, 8, 8, 1), np.float16), np.ones((3, 3, 1, 1)))
        print("ml_dtypes" in sys.modules)
    """)
    first, second = done.stdout.splitlines()
    assert first.startswith("dtype: received 'bfloat16'; choose"), done
    assert "ml_dtypes.bfloat16" in first
    assert second == "False"


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("stored", [name for name in ELEMENTS if name != "float32"])
def test_conversions_call_nothing_outside_of_the_code(stored: str, target: str) -> None:
    for case, data_format in ((CASES[0], "channels_last"), (CASES[0], "channels_first")):
        choice = choose(case.spec(data_format, stored), TARGETS[target])
        assert undefined_symbols(jit.compile_module(choice.schedule.emit(choice.plan), TARGETS[target])) == []


@needs_mprotect
@pytest.mark.parametrize("target", HERE)
def test_nothing_outside_of_the_arrays_is_touched(target: str) -> None:
    command = [sys.executable, "-X", "faulthandler", __file__, target]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    last_words = done.stdout.splitlines()[-1:]
    assert done.returncode == 0, f"ended with {done.returncode} in {last_words}\n{done.stderr[-3000:]}"
    assert last_words == ["all done"]


def between_guards(case: Case, data_format: str, dtype: np.dtype[Any], target: str, side: str) -> None:
    x, kernel, bias = case.arrays(data_format, dtype, whole=True)
    x = guarded(x, side)
    arguments = {**case.arguments, "data_format": data_format, "residual": case.residual, "algorithm": summed(case)}
    conv = compile_conv2d(kernel, bias, input_shape=x.shape, target=target, **arguments)
    exact = by_definition(
        case, x.astype("f8"), kernel.astype("f8"), None if bias is None else bias.astype("f8"), data_format
    )
    y = guarded(np.full(exact.shape, np.nan, dtype), side)
    run(conv, x, y, case.added(data_format, dtype), side)
    assert_rounded_once(y, exact, dtype, is_exact=case.activation in EXACT)


def main(target: str) -> None:
    """What a child does: half of the table, the other half on the next target."""
    for turn, case in enumerate(CASES):
        if (turn + HERE.index(target)) % 2:
            continue
        for data_format in FORMATS:
            dtype = turn_of(turn // 2, data_format, target)
            for side in ("start", "end"):
                print(f"{case} {data_format} {dtype} {target}, arrays at the {side} of their pages", flush=True)
                between_guards(case, data_format, dtype, target, side)
    print("all done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

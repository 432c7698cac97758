"""bfloat16 by products of tiles: the table's geometries with channels enough, against the definition.

Sums of small whole numbers are exact in float32, so that results are known to the bit: the definition's, rounded.
"""

from __future__ import annotations

import math
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

if __name__ == "__main__":  # so that the program, too, finds what lies beside it
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import ml_dtypes
from tests.cases import CASES, Case, by_definition
from tests.conftest import RunPython
from tests.packed import packed
from tests.test_compiled import any_case
from tests.test_family_memory import run
from tests.test_memory_safety import guarded, needs_mprotect
from tests.test_targets import undefined_symbols
from tests.test_types import EXACT, assert_rounded_once
from tests.tile_processor import stand_in, targets_with_tiles

import tweakconv as tc
from tweakconv import compile_conv2d, conv2d, reference
from tweakconv.arrays import aligned
from tweakconv.compiler import jit, tile_registers
from tweakconv.compiler import target as targets
from tweakconv.compiler.choose import Choice, all_ways, choose, ways
from tweakconv.compiler.emit.tiles import configuration
from tweakconv.compiler.schedules import tiles
from tweakconv.compiler.spec import ConvSpec
from tweakconv.compiler.target import TARGETS, TILE_TARGETS, get_target, runnable_targets, runnable_tile_targets

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
AMX = TILE_TARGETS["amx"]
LAST = "channels_last"

with_tiles = pytest.mark.parametrize("target", targets_with_tiles(), indirect=True)


@pytest.fixture
def target(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a target with tiles; where the processor has none, others stand in for them until the test ends."""
    stand_in(monkeypatch)
    name: str = request.param
    return name


def widened(case: Case, turn: int) -> Case:
    """A case with channels enough for tiles, of which some fill them and some do not."""
    more = ((16, 16), (29, 47), (32, 64), (48, 21), (17, 33))[turn % 5]
    return replace(case, channels=(max(case.channels[0], more[0]), max(case.channels[1], more[1])))


TABLE = [widened(case, turn) for turn, case in enumerate(CASES) if case.groups == 1 and math.prod(case.kernel) < 300]
"""Without hundreds of taps, which are what seven are, but take a processor that stands in for one half a minute."""
WHOLE_BLOCKS = Case("whole blocks", (21, 35), (64, 64), padding="same", residual=True, activation="relu")
EDGES = (
    WHOLE_BLOCKS,
    Case("in place", (14, 19), (64, 96), kernel=(1, 1), batch=2),
    Case("in place, without ends that meet", (13, 18), (32, 40), kernel=(3, 2), strides=(2, 1), activation="silu"),
    Case("in place under a stride", (17, 40), (48, 32), kernel=(1, 1), strides=(2, 2)),
    Case("in place, rows joined across rows that are left out", (31, 5), (32, 32), kernel=(1, 1), strides=(3, 1)),
    Case("rows joined", (7, 7), (96, 70), padding="same", residual=True, activation="gelu"),
    Case("an odd number of channels", (9, 20), (35, 35), kernel=(1, 1), activation="hard_swish"),
    Case("regions in strips", (3, 1100), (600, 18), padding="same"),
    Case("regions in bands", (60, 61), (160, 20), padding="same", padding_mode="reflect", batch=2),
    Case("rows for each kernel row apart", (40, 33), (130, 20), dilation_rate=(17, 2), padding="same"),
    Case(
        "the same under a stride, and joined", (40, 4), (64, 33), strides=(2, 1), dilation_rate=(17, 1), padding="same"
    ),
    Case("many blocks", (5, 6), (16, 300), padding="same", bias=False),
)


def wide(array: Any) -> Any:
    return None if array is None else array.astype(np.float64)


def beside_lines(array: Any) -> Any:
    """A copy whose rows of tiles lie across two cache lines each."""
    memory = aligned(np.zeros(array.nbytes + 2, np.uint8))[2:]
    copy = memory.view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def prepared(case: Case, arrays: Any, name: str, **others: Any) -> Any:
    x, kernel, bias = arrays
    arguments = {**case.arguments, "residual": case.residual, "algorithm": "tiles", "target": name, **others}
    return compile_conv2d(kernel, bias, input_shape=x.shape, **arguments)


def is_computed(case: Case) -> bool:
    return tiles.applies(case.spec(LAST, "bfloat16"), AMX)


def check(case: Case, name: str) -> None:
    arrays = case.arrays(LAST, BFLOAT16, whole=True)
    conv = prepared(case, arrays, name)
    assert conv.built.choice.algorithm == "tiles"
    exact = by_definition(case, *map(wide, arrays), LAST)
    for x in (aligned(arrays[0]), beside_lines(arrays[0])):  # the one may be read in place, the other is laid out
        y = conv(x, residual=case.added(LAST, BFLOAT16))
        assert_rounded_once(y, exact, BFLOAT16, is_exact=case.activation in EXACT)


@with_tiles
@pytest.mark.parametrize("case", [*filter(is_computed, TABLE), *EDGES], ids=lambda case: case.name)
def test_table_of_cases(case: Case, target: str) -> None:
    check(case, target)


def test_nearly_all_of_the_table_is_computed() -> None:
    assert sum(map(is_computed, TABLE)) >= len(TABLE) - 1
    assert all(map(is_computed, EDGES))


@with_tiles
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])  # which serves all examples
@given(case=any_case(), channels=st.tuples(st.integers(16, 100), st.integers(16, 100)))
def test_any_geometry_is_rounded_once(case: Case, channels: tuple[int, int], target: str) -> None:
    assume(case.groups == 1)
    check(replace(case, channels=channels), target)


@with_tiles
@pytest.mark.parametrize(("channels", "kernel"), [((70, 50), (3, 3)), ((512, 40), (3, 3)), ((2048, 32), (1, 1))])
def test_errors_are_half_a_unit_and_those_of_a_float32_sum(channels: Any, kernel: Any, target: str) -> None:
    case = Case("noise", (11, 37), channels, kernel=kernel, padding="same")
    arrays = case.arrays(LAST, BFLOAT16)
    x, weights, bias = map(wide, arrays)
    exact = reference.conv(x, weights, bias, padding="same")
    magnitude = reference.conv(*map(np.abs, (x, weights, bias)), padding="same")
    allowed = 2.0**-8 * np.abs(exact) * (1 + 2.0**-12) + 16 * 2.0**-24 * magnitude
    assert (np.abs(wide(prepared(case, arrays, target)(arrays[0])) - exact) <= allowed).all()


@with_tiles
@pytest.mark.parametrize("case", [WHOLE_BLOCKS, EDGES[1], EDGES[5], EDGES[11]], ids=lambda case: case.name)
def test_threads_batches_and_neighbours_change_no_bit(case: Case, target: str) -> None:
    case = replace(case, batch=3, size=(case.size[0] + 16, case.size[1] + 20))
    arrays = case.arrays(LAST, BFLOAT16)
    x, added, conv = aligned(arrays[0]), case.added(LAST, BFLOAT16), prepared(case, arrays, target)
    before = tc.get_num_threads()
    results = []
    try:
        for number in (1, 2, 5):
            tc.set_num_threads(number)
            results.append(conv(x, residual=added))
    finally:
        tc.set_num_threads(before)
    ones = [conv(x[i : i + 1], residual=None if added is None else added[i : i + 1]) for i in range(3)]
    for result in (*results[1:], np.concatenate(ones)):
        np.testing.assert_array_equal(result.view(np.uint16), results[0].view(np.uint16))
    if not case.residual and case.kernel == (1, 1):
        np.testing.assert_array_equal(conv(x[:, 3:9, 5:]).view(np.uint16), results[0][:, 3:9, 5:].view(np.uint16))


@with_tiles
def test_views_are_read_where_they_lie_and_give_the_same_bits(target: str) -> None:
    for case in (Case("valid", (12, 22), (64, 40)), Case("pointwise", (12, 22), (64, 40), kernel=(1, 1))):
        arrays = case.arrays(LAST, BFLOAT16)
        conv, x = prepared(case, arrays, target), aligned(arrays[0])
        expected = conv(x).view(np.uint16)
        exact = by_definition(case, *map(wide, arrays), LAST)
        assert np.allclose(wide(conv(x)), exact, rtol=2.0**-8, atol=1e-4)
        room = aligned(np.full((1, 30, 22, 64), np.nan, BFLOAT16))
        for view in (room[:, 2:26:2], room[:, 24:0:-2], room[:, 3:15]):
            room[...] = np.nan
            view[...] = x
            assert conv.reads(view)
            np.testing.assert_array_equal(conv(view).view(np.uint16), expected)


@with_tiles
@pytest.mark.parametrize("case", [WHOLE_BLOCKS, EDGES[5], EDGES[6], EDGES[9]], ids=lambda case: case.name)
def test_nan_and_infinity_go_where_the_definition_sends_them(case: Case, target: str) -> None:
    case = replace(case, activation=None, residual=False)
    x, kernel, bias = case.arrays(LAST, BFLOAT16, whole=True)
    x = aligned(x)
    x.reshape(-1)[7], x.reshape(-1)[x.size // 2], x.reshape(-1)[-5] = np.nan, np.inf, -np.inf
    exact = by_definition(case, *map(wide, (x, kernel, bias)), LAST)
    y = wide(prepared(case, (x, kernel, bias), target)(x))
    for test in (np.isnan, np.isposinf, np.isneginf):
        np.testing.assert_array_equal(test(y), test(exact))
    finite = np.isfinite(exact)
    np.testing.assert_array_equal(y[finite], wide(exact[finite].astype(np.float32).astype(BFLOAT16)))


@with_tiles
def test_numbers_too_small_for_normal_ones_are_zero(target: str) -> None:
    x = np.zeros((1, 4, 5, 32), BFLOAT16)
    kernel = np.zeros((1, 1, 32, 32), BFLOAT16)
    x[..., 0], kernel[0, 0, 0] = 2.0**-130, 1.0
    assert (prepared(Case("", (4, 5), (32, 32), kernel=(1, 1)), (x, kernel, None), target)(x) == 0).all()
    x[..., 0], kernel[0, 0, 0] = 1.0, 2.0**-130
    assert (prepared(Case("", (4, 5), (32, 32), kernel=(1, 1)), (x, kernel, None), target)(x) == 0).all()
    x[..., 0], kernel[0, 0, 0] = 2.0**-65, 2.0**-65
    small = np.full(32, 2.0**-130, BFLOAT16)
    assert (prepared(Case("", (4, 5), (32, 32), kernel=(1, 1)), (x, kernel, small), target)(x) == 0).all()
    x[..., 0], kernel[0, 0, 0] = -(2.0**-63), 2.0**-63
    y = prepared(Case("", (4, 5), (32, 32), kernel=(1, 1)), (x, kernel, None), target)(x)
    assert (y == BFLOAT16.type(-(2.0**-126))).all()


@with_tiles
def test_calls_prepared_convolutions_and_their_pickles_agree(target: str) -> None:
    case = Case("functional", (28, 28), (64, 80), padding="same", activation="relu")
    x, kernel, bias = case.arrays(LAST, BFLOAT16)
    conv = compile_conv2d(kernel, bias, input_shape=x.shape, padding="same", activation="relu")
    assert conv.built.choice.algorithm == "tiles"
    assert conv.built.choice.plan.target.name == target
    assert "tiles: estimated to take" in conv.explain()
    copy = pickle.loads(pickle.dumps(conv))
    assert copy.built.choice.plan == conv.built.choice.plan
    expected = conv(x).view(np.uint16)
    np.testing.assert_array_equal(copy(x).view(np.uint16), expected)
    other = np.asfortranarray(kernel)
    for weights in (kernel, other, kernel):
        for algorithm in ("auto", "tiles"):
            y = conv2d(x, weights, bias, padding="same", activation="relu", algorithm=algorithm)
            np.testing.assert_array_equal(y.view(np.uint16), expected)
    y = conv2d(x, kernel.astype(np.float32), bias, padding="same", activation="relu", algorithm="tiles")
    np.testing.assert_array_equal(y.view(np.uint16), expected)
    doubled = conv.with_kernel((2 * kernel).astype(np.float32))
    assert doubled.built is conv.built
    exact = by_definition(case, wide(x), 2 * wide(kernel), wide(bias), LAST)
    assert_rounded_once(doubled(x), exact, BFLOAT16, is_exact=False)


@with_tiles
def test_weights_that_bfloat16_does_not_hold_are_used_unrounded(target: str) -> None:
    x = np.full((1, 28, 28, 64), 2048, BFLOAT16)
    kernel = np.full((3, 3, 64, 64), 1 + 2.0**-8, np.float32)
    arguments = {"input_shape": x.shape, "dtype": BFLOAT16}
    conv = compile_conv2d(kernel, **arguments)
    assert conv.built.choice.algorithm != "tiles"
    assert (conv(x) == BFLOAT16.type(2048 * 576 * (1 + 2.0**-8))).all()
    assert (conv2d(x, kernel) == conv(x)).all()
    with pytest.raises(ValueError, match=r"algorithm: received 'tiles', .* bfloat16 would round a weight; round"):
        compile_conv2d(kernel, algorithm="tiles", **arguments)
    with pytest.raises(ValueError, match=r"bfloat16 would round a weight"):
        conv2d(x, kernel, algorithm="tiles")
    brief = compile_conv2d(np.ones_like(kernel), **arguments)
    assert brief.built.choice.algorithm == "tiles"
    again = brief.with_kernel(kernel)
    assert again.built.choice.algorithm != "tiles"
    np.testing.assert_array_equal(again(x), conv(x))


@with_tiles
def test_infinite_weights_take_another_way(target: str) -> None:
    case = Case("infinite weights", (20, 20), (64, 64), padding="same")
    x, kernel, bias = case.arrays(LAST, BFLOAT16, whole=True)
    kernel[1, 1, 5, 7], kernel[0, 2, 3, 60] = np.inf, np.nan
    exact = by_definition(case, *map(wide, (x, kernel, bias)), LAST).astype(np.float32).astype(BFLOAT16)
    conv = compile_conv2d(kernel, bias, input_shape=x.shape, padding="same")
    assert conv.built.choice.algorithm != "tiles"
    for y in (conv(x), conv2d(x, kernel, bias, padding="same")):
        np.testing.assert_array_equal(wide(y), wide(exact))
    with pytest.raises(ValueError, match=r"algorithm: received 'tiles', .* hold NaN or infinity"):
        compile_conv2d(kernel, bias, input_shape=x.shape, algorithm="tiles")


@with_tiles
@pytest.mark.parametrize("channels", [(16, 16), (33, 70), (64, 96), (35, 17)])
@pytest.mark.parametrize("dilation", [1, 3])
def test_packed_weights_are_those_of_the_definition_and_can_be_unpacked(
    channels: tuple[int, int], dilation: int, target: str
) -> None:
    case = Case("packed", (20, 20), channels, kernel=(3, 2), dilation_rate=(1, dilation))
    arrays = case.arrays(LAST, BFLOAT16)
    kernel = arrays[1].astype(np.float32)
    for order in (kernel, np.asfortranarray(kernel), kernel.transpose(3, 2, 0, 1).copy().transpose(2, 3, 1, 0)):
        conv = prepared(case, (arrays[0], order, None), target, dtype=BFLOAT16)
        expected = packed(conv.built.choice, kernel).view(np.uint32)
        np.testing.assert_array_equal(conv._weights.view(np.uint32), expected)
        np.testing.assert_array_equal(tiles.unpack(conv.built.choice.plan, conv._weights, (3, 2)), kernel)


@with_tiles
def test_rows_alone_and_transposed_convolutions_without_a_stride_go_by_tiles(target: str) -> None:
    rng = np.random.default_rng(3)
    row, kernel = (rng.integers(-8, 9, shape).astype(BFLOAT16) for shape in ((2, 333, 35), (5, 35, 40)))
    along = tc.compile_conv1d(kernel, input_shape=row.shape, padding="causal", dilation_rate=3)
    exact = reference.conv(wide(row), wide(kernel), padding="causal", dilation_rate=3)
    assert along.built.choice.plan.target.name == target
    assert_rounded_once(along(row), exact, BFLOAT16, is_exact=True)

    image, kernel = (rng.integers(-8, 9, shape).astype(BFLOAT16) for shape in ((1, 20, 21, 32), (3, 2, 48, 32)))
    back = tc.compile_conv2d_transpose(kernel, input_shape=image.shape)
    exact = reference.conv_transpose(wide(image), wide(kernel))
    assert back.built.choice.algorithm == "tiles"
    assert_rounded_once(back(image), exact, BFLOAT16, is_exact=True)
    assert_rounded_once(tc.conv2d_transpose(image, kernel), exact, BFLOAT16, is_exact=True)
    np.testing.assert_array_equal(wide(pickle.loads(pickle.dumps(back))(image)), wide(back(image)))


@with_tiles
def test_tuning_may_take_tiles(target: str) -> None:
    case = Case("tuned", (28, 28), (64, 64), padding="same")
    x, kernel, bias = case.arrays(LAST, BFLOAT16, whole=True)
    conv = compile_conv2d(kernel, bias, input_shape=x.shape, padding="same", tune=True)
    assert "tiles" in conv.built.choice.reason
    exact = by_definition(case, *map(wide, (x, kernel, bias)), LAST)
    assert_rounded_once(conv(x), exact, BFLOAT16, is_exact=True)


# -- Which target, and what is asked of the system ---------------------------------------------------------------------


def spec_of(**others: Any) -> ConvSpec:
    return replace(Case("", (28, 28), (64, 64)).spec(LAST, "bfloat16"), **others)


def test_only_what_is_bfloat16_with_channels_enough_is_for_tiles() -> None:
    assert tiles.applies(spec_of(), AMX)
    assert not tiles.applies(spec_of(), TARGETS["avx512"])
    for others in (
        {"x_stored": "", "y_stored": ""},
        {"x_stored": "float16", "y_stored": "float16"},
        {"y_stored": ""},
        {"channels_last": False},
        {"groups": 4},
        {"in_channels": 15},
        {"out_channels": 15},
        {"skips_padding": True},
        {"pieces": True},
        {"dilation": (1, 10_000)},
    ):
        assert not tiles.applies(spec_of(**others), AMX), others


def test_all_else_is_computed_by_the_vectors_of_the_target() -> None:
    for spec in (spec_of(x_stored="", y_stored=""), spec_of(in_channels=8), spec_of(groups=64)):
        choice, other = (choose(spec, made_for, (28, 28), brief=True) for made_for in (AMX, TARGETS["avx512"]))
        assert (choice.algorithm, choice.plan) == (other.algorithm, other.plan)
    named = [way.algorithm for way in all_ways(spec_of(), AMX, tame=True, whole=False, brief=True)]
    assert named.count("tiles") == 1
    assert choose(spec_of(), AMX, (28, 28), brief=True).algorithm == "tiles"
    assert choose(spec_of(), AMX, (28, 28)).algorithm != "tiles"
    assert choose(spec_of(), AMX, (28, 28), brief=True, tame=False).algorithm != "tiles"


def test_names_of_targets_and_the_variable_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    assert get_target().name == runnable_targets()[0]
    assert get_target(tiles=True).name == (*runnable_tile_targets(), runnable_targets()[0])[0]
    monkeypatch.setenv("TWEAKCONV_TARGET", runnable_targets()[-1])
    assert get_target(tiles=True).name == runnable_targets()[-1]


def test_where_the_system_refuses_the_registers_all_is_as_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "_has_tiles", lambda: False)
    assert runnable_tile_targets() == ()
    assert get_target(tiles=True).name == runnable_targets()[0]
    case = Case("refused", (9, 9), (32, 32))
    x, kernel, bias = case.arrays(LAST, BFLOAT16, whole=True)
    conv = compile_conv2d(kernel, bias, input_shape=x.shape)
    assert conv.built.choice.algorithm != "tiles"
    with pytest.raises(ValueError, match=r"received 'tiles', which computes bfloat16 .* on processors with AMX"):
        compile_conv2d(kernel, bias, input_shape=x.shape, algorithm="tiles")
    with pytest.raises(ValueError, match=r"target: received 'amx', which this processor cannot run; it runs"):
        compile_conv2d(kernel, bias, input_shape=x.shape, target="amx")


def test_other_systems_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tile_registers.ctypes, "CDLL", lambda *_, **__: pytest.fail("asked"))
    monkeypatch.setattr(tile_registers.sys, "platform", "darwin")
    assert not tile_registers.tiles_are_granted()


def test_only_convolutions_of_bfloat16_ask_for_the_registers(run_python: RunPython) -> None:
    done = run_python("""
        import ml_dtypes, numpy as np, tweakconv as tc
        from tweakconv.compiler import target
        asked = []
        target._has_tiles = lambda: asked.append(1)
        tc.conv2d(np.ones((1, 5, 5, 32), np.float32), np.ones((3, 3, 32, 32), np.float32))
        print(len(asked) > 0)
        tc.conv2d(np.ones((1, 5, 5, 32), ml_dtypes.bfloat16), np.ones((3, 3, 32, 32), ml_dtypes.bfloat16))
        print(len(asked) > 0, "avx512" in target.runnable_targets())
    """)
    first, second = done.stdout.splitlines()
    assert first == "False", done
    asked, able = second.split()
    assert asked == able, done


# -- The code, also where it cannot run --------------------------------------------------------------------------------


def choice_of(case: Case) -> Choice:
    (choice,) = ways("tiles", case.spec(LAST, "bfloat16"), AMX)
    return choice


def test_tiles_have_the_sizes_that_the_configuration_says() -> None:
    numbers = configuration(((16, 64),) * 4 + ((14, 48),) * 2 + ((12, 64),) * 2)
    told = b"".join(number.to_bytes(8, "little") for number in numbers)
    assert len(told) == 64
    assert told[:2] == bytes([1, 0])
    assert list(told[16:32:2]) == [64, 64, 64, 64, 48, 48, 64, 64]
    assert list(told[48:56]) == [16, 16, 16, 16, 14, 14, 12, 12]


@pytest.mark.parametrize("case", EDGES, ids=lambda case: case.name)
def test_code_multiplies_tiles_and_calls_nothing_outside_of_itself(case: Case) -> None:
    choice = choice_of(case)
    text = choice.schedule.emit(choice.plan)
    assert undefined_symbols(jit.compile_module(text, AMX)) == []
    assembly = jit.assembly(text, AMX)
    for instruction in ("ldtilecfg", "tileloadd", "tdpbf16ps", "tilestored", "vcvtneps2bf16", "tilerelease"):
        assert instruction in assembly
    assert assembly.count("ldtilecfg") == assembly.count("tilerelease") == 1


@pytest.mark.parametrize("channels", [(3 * 32, 40), (48, 64), (33, 33), (70, 70), (130, 16)])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (1, 7)])
def test_tiles_are_cut_without_a_rest(channels: tuple[int, int], kernel: tuple[int, int]) -> None:
    plan = tiles.plan(Case("", (9, 9), channels, kernel=kernel).spec(LAST, "bfloat16"), AMX)
    assert plan.depth % 2 == plan.channels % 2 == plan.run % plan.depth == 0
    assert plan.depth <= 32
    assert 0 <= plan.channels - channels[0] < 32
    assert sum(plan.widths) == channels[1]


# -- Memory ------------------------------------------------------------------------------------------------------------


@needs_mprotect
@with_tiles
def test_nothing_outside_of_the_arrays_is_touched(target: str) -> None:
    command = [sys.executable, "-X", "faulthandler", __file__, target]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=dict(os.environ))
    last_words = done.stdout.splitlines()[-1:]
    assert done.returncode == 0, f"ended with {done.returncode} in {last_words}\n{done.stderr[-3000:]}"
    assert last_words == ["all done"]


def main(name: str) -> None:
    """What a child does: run the table between guards."""
    stand_in(pytest.MonkeyPatch())
    for case in (*filter(is_computed, TABLE), *EDGES):
        for side in ("start", "end"):
            print(f"{case}, arrays at the {side} of their pages", flush=True)
            arrays = case.arrays(LAST, BFLOAT16, whole=True)
            x = guarded(arrays[0], side)
            exact = by_definition(case, *map(wide, arrays), LAST)
            y = guarded(np.full(exact.shape, np.nan, BFLOAT16), side)
            run(prepared(case, (x, *arrays[1:]), name), x, y, case.added(LAST, BFLOAT16), side)
            assert_rounded_once(y, exact, BFLOAT16, is_exact=case.activation in EXACT)
    print("all done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

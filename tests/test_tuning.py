"""Ways to compute a convolution, timed: the fastest is taken, remembered on disk, and told of."""

from __future__ import annotations

import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tests.conftest import RunPython

import tweakconv as tc
from tweakconv import tuning
from tweakconv.compiler.choose import all_ways
from tweakconv.compiler.spec import ConvSpec
from tweakconv.compiler.target import get_target

SHAPE = (2, 5, 14, 15)
WAYS = ("direct", *("winograd" + form + late for form in ("", " F(3x3, 3x3)") for late in ("", " with late weights")))
LABELS = {way + by for way in WAYS for by in ("", " by bands")}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWEAKCONV_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(tuning, "_known", {})


def weights(dtype: str = "float32") -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).standard_normal((3, 3, 5, 7)).astype(dtype)


def prepared(kernel: np.ndarray[Any, Any], **more: Any) -> tc.PreparedConv:
    return tc.compile_conv2d(kernel, input_shape=SHAPE, padding="same", data_format="channels_first", tune=True, **more)


def slowest_first(order: list[str]) -> Any:
    """Pretend that the ways take less and less time in an order."""

    def measured(runs: list[tuning.Run]) -> list[float]:
        for run in runs:
            run()
        ways = all_ways(ConvSpec((3, 3), (1, 1), (1, 1), 5, 7, 1, False, False), get_target(), tame=True, whole=False)
        return [len(order) - order.index(way.label) for way in ways]

    return measured


@pytest.mark.parametrize("best", sorted(LABELS))
def test_the_way_that_took_least_time_is_taken_and_computes_the_same(
    best: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "measured", slowest_first([*sorted(LABELS - {best}), best]))
    kernel, bias = weights(), np.arange(7, dtype=np.float32)
    conv = prepared(kernel, bias=bias, activation="relu")
    assert conv.built.choice.label == best
    x = np.random.default_rng(1).standard_normal(SHAPE).astype(np.float32)
    sums = torch.nn.functional.conv2d(
        torch.from_numpy(x), torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy()), torch.from_numpy(bias), padding=1
    )
    np.testing.assert_allclose(conv(x), np.maximum(sums.numpy(), 0), atol=1e-4)
    assert f"{best} 1000.000 ms" in conv.explain()


def test_it_is_measured_once_and_remembered_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "measured", slowest_first([*sorted(LABELS - {"direct by bands"}), "direct by bands"]))
    first = prepared(weights())

    def never(runs: object) -> list[float]:
        raise AssertionError("measured again")

    monkeypatch.setattr(tuning, "measured", never)
    again = prepared(weights() * 2)  # other numbers of the same kind
    monkeypatch.setattr(tuning, "_known", {})  # as in another process
    later = prepared(weights())
    assert [conv.built.choice.label for conv in (first, again, later)] == ["direct by bands"] * 3
    assert first.explain().partition("  code")[0] == later.explain().partition("  code")[0]


def test_another_shape_or_number_of_threads_is_measured_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []

    def measured(runs: list[tuning.Run]) -> list[float]:
        counted.append(len(runs))
        return [1.0] * len(runs)

    monkeypatch.setattr(tuning, "measured", measured)
    prepared(weights())
    tc.compile_conv2d(weights(), input_shape=(1, *SHAPE[1:]), padding="same", data_format="channels_first", tune=True)
    before = tc.get_num_threads()
    tc.set_num_threads(before + 1)
    try:
        prepared(weights())
    finally:
        tc.set_num_threads(before)
    assert counted == [len(LABELS)] * 3


def test_whole_numbers_stay_exact_and_what_is_not_finite_stays_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "measured", lambda runs: [float(len(runs) - i) for i in range(len(runs))])
    whole = prepared(np.round(weights()))
    infinite = weights()
    infinite[0, 0, 0, 0] = np.inf
    assert whole.built.choice.algorithm == prepared(infinite).built.choice.algorithm == "direct"


def test_real_measurements_take_turns_and_name_the_faster_of_two() -> None:
    small, large = np.ones(10), np.ones(200_000)
    first, second = tuning.measured([large.sum, small.sum])
    assert 0 < second < first


def test_one_way_needs_no_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "measured", None)
    conv = tc.compile_conv2d(weights("float64"), input_shape=(1, 9, 9, 5), strides=2, tune=True)
    assert "nothing else computes it" in conv.explain()


def test_what_is_on_disk_and_makes_no_sense_is_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = SimpleNamespace(
        key=tuning.cache.key, read=lambda key: b"no such way:measured: long ago", write=lambda key, data: None
    )
    monkeypatch.setattr(tuning, "cache", damaged)
    monkeypatch.setattr(tuning, "measured", lambda runs: [float(i) for i in range(len(runs))])
    assert "measured: direct 0.000 ms" in prepared(weights()).explain()


def test_the_other_layers_take_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "measured", lambda runs: [run() is None or float(i) for i, run in enumerate(runs)])
    shape, kernel = (1, 12, 8), np.random.default_rng(2).standard_normal((3, 8, 8)).astype(np.float32)
    convs = [
        tc.compile_conv1d(kernel, input_shape=shape, tune=True),
        tc.compile_conv1d_transpose(kernel, input_shape=shape, tune=True),
        tc.compile_depthwise_conv2d(weights(), input_shape=(1, 9, 9, 5), tune=True),
        tc.compile_conv3d(weights()[None], input_shape=(1, 4, 9, 9, 5), tune=True),
    ]
    for conv in convs:
        assert conv(np.ones(conv.input_shape, np.float32)).size
        assert pickle.loads(pickle.dumps(conv)).built.choice.algorithm == conv.built.choice.algorithm


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"tune": "yes"}, TypeError, "tune: received 'yes'"),
        ({"tune": True, "algorithm": "direct"}, ValueError, "tune: received True with algorithm='direct'"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        tc.compile_conv2d(weights(), input_shape=(1, 9, 9, 5), **arguments)


def test_estimates_of_all_ways_are_told() -> None:
    text = tc.compile_conv2d(weights(), input_shape=SHAPE, padding="same", data_format="channels_first").explain()
    (line,) = [line for line in text.splitlines() if "million cycles" in line]
    assert all(f"{label} " in line for label in LABELS)
    assert line.count("(taken)") == 1


def test_another_process_finds_what_was_measured(run_python: RunPython) -> None:
    program = """
import numpy as np, tweakconv as tc
from tweakconv import tuning
if {again}:
    tuning.measured = None
kernel = np.random.default_rng(0).standard_normal((3, 3, 8, 8)).astype("f")
print(tc.compile_conv2d(kernel, input_shape=(1, 9, 9, 8), tune=True).built.choice.reason)
"""
    first, second = (run_python(program.format(again=again)) for again in (False, True))
    assert (first.returncode, second.returncode, first.stderr, second.stderr) == (0, 0, "", "")
    assert first.stdout == second.stdout
    assert first.stdout.startswith("measured: direct ")

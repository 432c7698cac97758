"""The board's lines are what they are said to be, and their numbers come out right by the definition."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from tweakconv import reference
from tweakconv.bench import problem as problems
from tweakconv.bench.classes import CLASSES
from tweakconv.bench.geometries import Line, in_batches
from tweakconv.bench.lines import FOUNDATION, LINES, select_lines
from tweakconv.bench.problem import Problem, relative_rms_error


def test_the_foundation_is_the_eight_known_layers() -> None:
    assert [line.name for line in FOUNDATION] == [
        "3x3 56x56x64->64",
        "3x3 28x28x128->128",
        "3x3 stride 2 56x56x128->128",
        "3x3 dilation 2 28x28x256->256",
        "7x7 stride 2 224x224x3->64",
        "1x1 56x56x64->256",
        "1x1 14x14x256->1024",
        "5x5 28x28x64->64",
    ]
    assert set(select_lines(["foundation"])) == set(FOUNDATION)


def test_there_are_lines_of_every_class_each_once_and_each_from_somewhere() -> None:
    assert len(LINES) >= 40
    assert list(dict.fromkeys(line.kind for line in LINES)) == [known.key for known in CLASSES]
    assert max(Counter(line.name for line in LINES).values()) == 1
    assert all(line.source for line in LINES)


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.name)
def test_a_line_is_in_the_class_that_its_numbers_say(line: Line) -> None:
    dense, still = line.groups == 1, line.strides == (1, 1)
    far = line.dilation_rate[0] > min(line.image) / 8
    expected = {
        "dense": dense and still and line.kernel == (3, 3) and not far,
        "dilated": dense and still and line.kernel == (3, 3) and far,
        "wide": dense and still and max(line.kernel) in {5, 7},
        "strided": dense and (not still or line.in_channels <= 3),
        "pointwise": dense and line.kernel == (1, 1),
        "depthwise": line.depthwise and not line.shared,
        "grouped": line.groups > 1 and not line.depthwise,
        "images": max(line.in_channels, line.out_channels) <= 4 and min(line.image) > 1000,
        "small": max(line.image) <= 14,
    }
    assert expected[line.kind]


def test_one_filter_over_an_image_is_known_as_such() -> None:
    not_filters = [line.name for line in LINES if line.kind == "images" and not line.image_filter]
    assert not_filters == ["3x3 1080x1920x3->3"]
    assert not any(line.image_filter for line in LINES if line.kind not in {"images", "small"})


def test_lines_count_operations_and_bytes() -> None:
    (line,) = select_lines(["7x7 stride 2"])
    assert line.geometry.output_size == (112, 112)
    assert line.flops == 2 * 112 * 112 * 64 * 7 * 7 * 3
    assert line.read_bytes == 4 * (224 * 224 * 3 + 7 * 7 * 3 * 64 + 64)
    assert line.write_bytes == 4 * 112 * 112 * 64
    batch = replace(line, batch=8)
    assert batch.flops == 8 * line.flops
    assert batch.read_bytes == 4 * (8 * 224 * 224 * 3 + 7 * 7 * 3 * 64 + 64)
    assert batch.write_bytes == 8 * line.write_bytes


def test_lines_are_chosen_by_class_and_by_part_of_their_or_their_networks_name_in_the_order_of_the_board() -> None:
    assert [line.name for line in select_lines(["15x15", "5x5x", "stride 2 56x56x128"])] == [
        "3x3 stride 2 56x56x128->128",
        "15x15 1080x1920x1->1",
        "3x3 5x5x1->1",
        "3x3 5x5x16->16",
    ]
    assert {line.kind for line in select_lines(classes=["wide", "images"])} == {"wide", "images"}
    assert {line.source.split()[0] for line in select_lines(["ConvNeXt"])} == {"ConvNeXt", "ConvNeXt-T"}
    assert [line.name for line in select_lines(["ConvNeXt"], ["strided"])] == ["4x4 stride 4 224x224x3->96"]


def test_large_filters_are_measured_one_image_at_a_time() -> None:
    chosen = in_batches(select_lines(classes=["images"]), [1, 8])
    assert [line.name for line in chosen if line.batch == 1] == [line.name for line in select_lines(classes=["images"])]
    assert {line.name for line in chosen if line.single} == {"31x31 1080x1920x1->1", "63x63 1080x1920x1->1"}
    assert all(line.batch == 1 for line in chosen if line.single)
    with pytest.raises(ValueError, match=r"batch: 63x63 1080x1920x1->1 is measured with batch 1 only, received 8"):
        in_batches(select_lines(["63x63"]), [8])


ODD = (
    Line("dense", (9, 12), 6, 4, (3, 2), strides=(2, 1), dilation_rate=(1, 2), pad=(2, 1), batch=2),
    Line("grouped", (8, 11), 4, 6, (2, 3), groups=2, pad=(1, 0)),
    Line("depthwise", (10, 7), 3, 3, (3, 5), pad=(1, 2), groups=3, bias=False, shared=True),
)


@pytest.mark.parametrize("line", ODD, ids=lambda line: line.name)
@pytest.mark.parametrize("checked", [10**9, 1])
def test_the_expected_values_are_those_of_the_definition(
    line: Line, checked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(problems, "CHECKED_MULTIPLY_ADDS", checked)
    problem = Problem.of(line)
    y = reference.conv(
        problem.x,
        problem.kernel,
        problem.bias,
        line.strides,
        line.padding,
        dilation_rate=line.dilation_rate,
        groups=line.groups,
    )
    expected = problem.expected()
    assert expected.shape == y.shape == problem.output_shape
    assert (expected.values.size == y.size) == (checked > 1)
    assert {0, y.shape[1] - 1} <= set(expected.rows)
    assert {0, y.shape[2] - 1} <= set(expected.columns)
    np.testing.assert_allclose(expected.values, y[:, expected.rows][:, :, expected.columns], rtol=1e-12, atol=1e-12)
    assert expected.error(y) < 1e-12
    assert expected.error(np.roll(y, 1, axis=2)) > 0.1
    assert expected.error(y[:, 1:]) == float("inf")


def test_a_shared_filter_is_the_same_in_every_channel() -> None:
    kernel = Problem.of(ODD[2]).kernel
    assert (kernel == kernel[..., :1]).all()
    assert len(np.unique(kernel)) == 15


def test_relative_rms_error_is_that_of_the_whole_array() -> None:
    expected = np.array([3.0, 4.0, 0.0])
    assert relative_rms_error(np.array([3.0, 4.0, 1.0]), expected) == pytest.approx(0.2)
    assert relative_rms_error(np.array([3.0, 4.0]), expected) == float("inf")

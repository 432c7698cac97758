"""Every adapter computes the right thing, and libraries that cannot say why."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tweakconv.bench.board import findings
from tweakconv.bench.geometries import Line
from tweakconv.bench.measure import Request
from tweakconv.bench.ours import LAYOUTS
from tweakconv.bench.peers import PEERS, Peer
from tweakconv.bench.results import LineResult, PeerStatus, Setting

# Nothing about these is symmetric, so that an adapter that exchanges axes, or pads the wrong side, computes otherwise.
ODD_LINES = (
    Line("dense", (9, 12), 6, 4, (3, 2), strides=(2, 1), dilation_rate=(1, 2), pad=(2, 1)),
    Line("dense", (12, 7), 16, 32, (1, 3), strides=(1, 2), pad=(0, 1), batch=3),
    Line("grouped", (8, 11), 4, 6, (2, 3), groups=2, pad=(1, 0)),
    Line("depthwise", (10, 7), 16, 16, (3, 5), pad=(1, 2), groups=16, bias=False, batch=2),
    Line("images", (13, 11), 1, 1, (5, 3), pad=(2, 1), bias=False, batch=2),
    Line("images", (14, 11), 3, 3, (3, 3), dilation_rate=(2, 1), pad=(2, 1), groups=3, bias=False, shared=True),
)


@pytest.fixture(scope="module")
def installed() -> tuple[Peer, ...]:
    return tuple(peer for peer in PEERS if not peer.missing)


@pytest.fixture(scope="module")
def odd_results(installed: Sequence[Peer]) -> list[LineResult]:
    request = Request(lines=ODD_LINES, peers=installed, rounds=1, threads=1, data_formats=tuple(LAYOUTS))
    return [finding for finding in findings(request) if isinstance(finding, LineResult)]


def test_we_and_every_installed_peer_compute_the_definition(
    odd_results: Sequence[LineResult], installed: Sequence[Peer]
) -> None:
    assert [result.name for result in odd_results] == [line.name for line in ODD_LINES]
    titles = {peer.title for peer in installed}
    for result in odd_results:
        assert [entry.contender for entry in result.ours] == ["tweakconv NHWC", "tweakconv NCHW"]
        assert [entry.contender for entry in result.functional] == ["tweakconv conv2d", "PyTorch conv2d"]
        assert {entry.contender.removesuffix(" NHWC").removesuffix(" NCHW") for entry in result.peers} == titles
        for entry in result.entries:
            only_images = entry.contender == "SciPy" and result.kind != "images"
            assert entry.note == ("only for one filter over an image, unstrided" if only_images else "")
            assert only_images or (entry.error is not None and entry.error < 1e-6), (entry, result.name)


def test_every_way_of_every_library_is_right(odd_results: Sequence[LineResult]) -> None:
    left_out = [(entry.contender, way) for result in odd_results for entry in result.entries for way in entry.left_out]
    assert left_out == []


def test_the_libraries_of_the_test_extra_take_part(installed: Sequence[Peer]) -> None:
    assert {"torch", "scipy"} <= {peer.key for peer in installed}


def test_a_missing_library_is_listed_with_the_way_to_install_it() -> None:
    absent = Peer("absent", "Absent", "absent", ("no_such_module_anywhere",), ("absent-dist", "and-more"))
    request = Request(lines=(), peers=(absent,), rounds=1, threads=1)
    setting = next(finding for finding in findings(request) if isinstance(finding, Setting))
    assert setting.peers == (PeerStatus("absent", "Absent", None, "not installed: pip install absent-dist and-more"),)

"""Many layers: sizes, fields, borders and the picture, against windows and taps followed one by one."""

from __future__ import annotations

import itertools
import json
import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from tweakconv import Layer
from tweakconv.view.chain import MAX_FIELD, Chain
from tweakconv.view.chain_notes import notes_on_chain
from tweakconv.view.drawing.chain import draw_chain
from tweakconv.view.layers import many_layers

SVG = "{http://www.w3.org/2000/svg}"
Pads = tuple[tuple[int, int], tuple[int, int]]


@st.composite
def any_layer(draw: st.DrawFn) -> dict[str, Any]:
    def pair(least: int, most: int) -> tuple[int, int]:
        return draw(st.integers(least, most)), draw(st.integers(least, most))

    pads: st.SearchStrategy[Any] = st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 2)
    return {
        "kernel_size": pair(1, 3),
        "strides": pair(1, 2),
        "padding": draw(st.one_of(st.just("valid"), pads)),
        "dilation_rate": pair(1, 3),
    }


chains = st.lists(any_layer(), min_size=1, max_size=3)
sizes = st.tuples(st.integers(4, 12), st.integers(4, 14))


def through(images: torch.Tensor, layer: dict[str, Any]) -> torch.Tensor | None:
    """What PyTorch makes of images, (n, 1, height, width), with weights of one; None where it has no output."""
    pads: Pads = ((0, 0), (0, 0)) if layer["padding"] == "valid" else layer["padding"]
    padded = F.pad(images, [pad for lo_hi in reversed(pads) for pad in lo_hi])
    spans = [(k - 1) * d + 1 for k, d in zip(layer["kernel_size"], layer["dilation_rate"], strict=True)]
    if any(pixels < span for pixels, span in zip(padded.shape[2:], spans, strict=True)):
        return None
    ones = torch.ones((1, 1, *layer["kernel_size"]), dtype=images.dtype)
    return F.conv2d(padded, ones, stride=layer["strides"], dilation=layer["dilation_rate"])


def effects(size: tuple[int, int], layers: list[dict[str, Any]]) -> torch.Tensor:
    """(pixel row, pixel column, output row, output column): the ways from each pixel to each output."""
    ways = torch.eye(size[0] * size[1], dtype=torch.float64).reshape(-1, 1, *size)
    for layer in layers:
        ways = through(ways, layer)
        assert ways is not None
    return ways[:, 0].reshape(*size, *ways.shape[2:])


@settings(max_examples=40)
@given(sizes, chains)
def test_sizes_are_pytorchs_and_the_chain_ends_where_pytorch_has_no_output(
    size: tuple[int, int], layers: list[dict[str, Any]]
) -> None:
    answer = many_layers(size, layers)
    image: torch.Tensor | None = torch.zeros((1, 1, *size))
    expected, stop = [], None
    for number, layer in enumerate(layers, 1):
        assert image is not None
        image = through(image, layer)
        if image is None:
            stop = number
            break
        expected.append(list(image.shape[2:]))
    assert [layer["output_size"] for layer in answer["layers"]] == expected
    assert (answer["error"] and answer["error"]["layer"]) == stop
    assert json.loads(json.dumps(answer)) == answer


@settings(max_examples=25)
@given(sizes, chains, st.data())
def test_the_picture_shows_the_pixels_that_reach_an_output_and_no_others(
    size: tuple[int, int], layers: list[dict[str, Any]], data: st.DataObject
) -> None:
    chain = Chain.of(size, layers)
    rows, columns = chain.sizes[-1]
    output = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, columns - 1))
    ways = effects(size, layers[: len(chain.geometries)])
    picture = ET.fromstring(draw_chain(chain, output, description="a chain"))
    assert pixels_of(picture, size) == {(int(r), int(c)) for r, c in ways[:, :, output[0], output[1]].nonzero()}
    unread = (ways.sum((2, 3)) == 0).nonzero().tolist()
    assert hatched(picture, size) == {(row, column) for row, column in unread}


def image_box(picture: ET.Element) -> tuple[float, float, float, float]:
    """The large image: x, y, width and height; it is drawn first."""
    box = next(element for element in picture.iter(f"{SVG}rect") if element.get("class") == "tc-input")
    x, y, width, height = (float(box.get(name) or 0) for name in ("x", "y", "width", "height"))
    return x, y, width, height


def covered(picture: ET.Element, size: tuple[int, int], box: tuple[float, float, float, float]) -> set[tuple[int, int]]:
    """The pixels of the large image whose middle lies in a box: left, top, right, bottom."""
    x, y, width, height = image_box(picture)
    left, top, right, bottom = box
    return {
        (row, column)
        for row, column in itertools.product(range(size[0]), range(size[1]))
        if left < x + (column + 0.5) * width / size[1] < right and top < y + (row + 0.5) * height / size[0] < bottom
    }


def pixels_of(picture: ET.Element, size: tuple[int, int]) -> set[tuple[int, int]]:
    """Those under the paths in the colour of the kernel."""
    found: set[tuple[int, int]] = set()
    for path in picture.iter(f"{SVG}path"):
        if path.get("class") == "tc-path":
            assert float(path.get("fill-opacity") or 0) <= 1
            for left, top, right, bottom in re.findall(
                r"M([-\d.]+) ([-\d.]+)H([-\d.]+)V([-\d.]+)H", path.get("d") or ""
            ):
                found |= covered(picture, size, (float(left), float(top), float(right), float(bottom)))
    return found


def hatched(picture: ET.Element, size: tuple[int, int]) -> set[tuple[int, int]]:
    _, y, _, height = image_box(picture)
    found: set[tuple[int, int]] = set()
    for box in picture.iter(f"{SVG}rect"):
        left, top, wide, high = (float(box.get(name) or 0) for name in ("x", "y", "width", "height"))
        if box.get("class") == "tc-unread" and top + high <= y + height + 0.1:  # not that of the legend
            found |= covered(picture, size, (left, top, left + wide, top + high))
    return found


@settings(max_examples=40)
@given(sizes, chains)
def test_fields_and_borders_are_those_of_the_taps_followed_back(
    size: tuple[int, int], layers: list[dict[str, Any]]
) -> None:
    for told in many_layers(size, layers)["layers"]:
        for axis in range(2):
            steps = layers[: told["number"]]
            places = [{0}, {told["output_size"][axis] - 1}]  # of the first output and of the last
            for layer in reversed(steps):
                lo = 0 if layer["padding"] == "valid" else layer["padding"][axis][0]
                kernel, stride, rate = (layer[name][axis] for name in ("kernel_size", "strides", "dilation_rate"))
                places = [{o * stride - lo + k * rate for o in seen for k in range(kernel)} for seen in places]
            first, last = places
            assert told["field"][axis] == max(first) - min(first) + 1
            assert told["start"][axis] == min(first)
            before = (min(first) + max(first)) / 2
            behind = size[axis] - 1 - (min(last) + max(last)) / 2
            assert told["border"][axis] == [before, behind]
        assert told["pixels"] == told["field"][0] * told["field"][1]
        assert told["coverage"] == told["pixels_read"] / told["pixels"]


def test_the_field_of_the_picture_is_framed() -> None:
    """Two 3 x 3 layers of dilation 2: output (3, 4) sees 9 x 9 pixels from (3, 4) on, and 4 less behind the first."""
    chain = Chain.of((20, 24), [Layer((3, 3), dilation_rate=2)] * 2)
    picture = ET.fromstring(draw_chain(chain, (3, 4), description=""))
    x, y, width, _ = image_box(picture)
    scale = width / 24
    frames = {
        box.get("class"): [float(box.get(name) or 0) for name in ("x", "y", "width", "height")]
        for box in picture.iter(f"{SVG}rect")
    }
    expected = [x + 4 * scale, y + 3 * scale, 9 * scale, 9 * scale]
    assert frames["tc-frame"] == pytest.approx(expected, abs=0.02)
    inner = [x + 6 * scale, y + 5 * scale, 5 * scale, 5 * scale]
    assert frames["tc-nest"] == pytest.approx(inner, abs=0.02)


def test_gridding_is_told_with_rates_that_close_the_holes() -> None:
    """Wang et al. 2018: 1, 2, 3 in place of 2, 2, 2 sees as much and reads all of it."""
    (note,) = notes_on_chain(Chain.of((64, 64), [Layer((3, 3), dilation_rate=2)] * 3))
    assert (note.layer, note.kind) == (None, "gridding")
    assert "reads 49 of the 169 pixels" in note.text
    assert "1, 2, 3 would read every pixel of a field of 13 × 13" in note.text
    assert not notes_on_chain(Chain.of((64, 64), [Layer((3, 3), dilation_rate=rate) for rate in (1, 2, 3)]))


@pytest.mark.parametrize(
    ("size", "layers", "kind", "words"),
    [
        ((9, 9), [Layer((3, 3), padding="same")] * 5, "larger", "spans 11 × 11 pixels, the image has 9 × 9"),
        (
            (20, 20),
            [Layer((3, 3), padding="same")] * 5,
            "padding",
            "Only 100 of the 400 outputs see nothing but the image",
        ),
        ((8, 8), [Layer((3, 3), strides=2, padding="same")], "layer", "The padding is uneven: 0 before and 1 after."),
        ((8, 8), [Layer((3, 3), strides=2)], "layer", "1 of 8 pixels is never read."),
        ((9, 9), [Layer((3, 3)), Layer((2, 2), strides=3)], "unread", "2 of the 9 rows reach no output"),
        (
            (3, 3),
            [Layer((3, 3), dilation_rate=4, padding="same")],
            "idle",
            "2 of the 3 weights meet nothing but padding",
        ),
    ],
)
def test_what_a_person_might_not_expect_is_said(size: Any, layers: list[Layer], kind: str, words: str) -> None:
    assert any(note.kind == kind and words in note.text for note in notes_on_chain(Chain.of(size, layers)))


def test_the_border_is_told_for_valid_against_same() -> None:
    border = many_layers((28, 28), [{"kernel_size": 3}] * 4)["border"]
    assert border["valid"] == [[26, 26], [24, 24], [22, 22], [20, 20]]
    assert border["same"] == [[28, 28]] * 4
    assert border["text"] == [
        "With valid padding 28 × 28 become 20 × 20: the outermost outputs stand 4 pixels inside the image.",
        "With same padding 28 × 28 become 28 × 28; 20 × 20 of these outputs see no padding.",
    ]
    lost = many_layers((5, 5), [{"kernel_size": 3, "padding": "same"}] * 3)["border"]
    assert lost["valid"] == [[3, 3], [1, 1]]
    assert lost["text"][0].startswith("With valid padding, layer 3 would have no output: ")


def test_a_chain_of_no_layers_is_an_image_that_sees_itself() -> None:
    answer = many_layers((6, 9), [])
    assert answer["layers"] == []
    assert answer["warnings"] == []
    assert answer["outputs"] == [6, 9]
    assert answer["summary"] == "There is no layer yet."
    assert pixels_of(ET.fromstring(answer["svg"]), (6, 9)) == {(3, 4)}


def test_a_first_layer_without_output_leaves_the_image() -> None:
    answer = many_layers((4, 4), [{"kernel_size": 7}, {"kernel_size": 1}])
    assert answer["error"]["layer"] == 1
    assert "kernel 7" in answer["error"]["text"]
    assert answer["layers"] == []
    assert answer["summary"] == "No layer has an output yet."


def test_a_field_beyond_all_measure_ends_the_chain() -> None:
    """Strides multiply: 40 layers of stride 2 would span 2 ** 41 pixels."""
    answer = many_layers((1024, 1024), [{"kernel_size": 3, "strides": 2, "padding": "same"}] * 40)
    assert f"{MAX_FIELD:,} are followed at most" in answer["error"]["text"]
    assert max(answer["layers"][-1]["field"]) <= MAX_FIELD
    assert len(answer["svg"]) < 300_000


@pytest.mark.parametrize(
    ("layers", "output", "words"),
    [
        ([{"kernel_size": 0}], None, "layer 1: kernel_size must be at least 1"),
        ([{"kernel_size": 3}, {"kernel_size": 3, "strides": 0}], None, "layer 2: strides must be at least 1"),
        ([{"kernel_size": 3}], (0,), "output must be a row and a column"),
        ([{"kernel_size": 3}], (6, 0), "output must lie within the 6 rows and 6 columns"),
        ([{"kernel_size": 3}], (0, -1), "output must be at least 0"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(layers: Any, output: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        many_layers((8, 8), layers, output=output)


def test_the_picture_needs_no_inline_styles_and_no_names() -> None:
    """Many may stand in one page, under a policy without inline styles."""
    svg = many_layers((16, 16), [{"kernel_size": 3, "strides": 2, "padding": "same"}] * 2, theme="auto", style=False)[
        "svg"
    ]
    elements = list(ET.fromstring(svg).iter())
    assert not any(element.tag == f"{SVG}style" for element in elements)
    assert not any("style" in element.attrib or "id" in element.attrib for element in elements)
    assert "tc-auto" in (elements[0].get("class") or "")

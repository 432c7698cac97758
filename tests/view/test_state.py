"""What stands in an address means one thing, is written as short as it goes, and is refused in words."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tweakconv.geometry import ConvGeometry
from tweakconv.view.limits import LIMITS
from tweakconv.view.parameters import ParameterError, Parameters, number_text
from tweakconv.view.state import ChainLayer, ChainState, LayerState, PictureState


@st.composite
def layer_states(draw):
    """States that the geometry takes."""
    rank = draw(st.integers(1, 2))

    def per_axis(least, most):
        return draw(st.tuples(*[st.integers(least, most)] * rank))

    input_size, kernel_size = per_axis(4, 9), per_axis(1, 3)
    transposed = draw(st.booleans())
    names = ["valid", "same", "same_lower"] + ([] if transposed else ["full"] + ["causal"] * (rank == 1))
    groups, share, filters = draw(st.tuples(*[st.integers(1, 3)] * 3))
    mode = "zeros" if transposed else draw(st.sampled_from(["zeros", "constant", "reflect", "wrap"]))
    values = st.integers(-999_999, 999_999) | st.floats(-999, 999).map(lambda value: round(value, 6))

    def edits(size):
        rows, columns = size if rank == 2 else (1, *size)
        cells = st.tuples(st.integers(0, rows - 1), st.integers(0, columns - 1))
        return dict(sorted(draw(st.dictionaries(cells, values.map(float), max_size=4)).items()))

    return LayerState(
        input_size=input_size,
        kernel_size=kernel_size,
        strides=per_axis(1, 3),
        dilation_rate=(1,) * rank if transposed else per_axis(1, 2) if min(input_size) > 5 else (1,) * rank,
        padding=draw(st.sampled_from(names) | st.tuples(*[st.tuples(st.integers(0, 2), st.integers(0, 2))] * rank))
        if not transposed
        else draw(st.sampled_from(names)),
        padding_mode=mode,
        pad_value=float(draw(values)) if mode == "constant" else 0.0,
        transposed=transposed,
        output_padding=draw(st.none() | st.tuples(*[st.integers(0, 2)] * rank)) if transposed else None,
        in_channels=groups * share,
        out_channels=groups * filters,
        groups=groups,
        output_channel=draw(st.integers(0, groups * filters - 1)),
        seed=draw(st.integers(0, 2**32 - 1)),
        input_edits=edits(input_size),
        kernel_edits=edits(kernel_size),
        view=draw(st.sampled_from(["tilted", "flat"])),
        step=0,
        pin=draw(st.none() | st.just(0)),
        theme=draw(st.sampled_from(["light", "dark", "auto"])),
    )


@given(layer_states())
def test_a_layer_comes_back_from_its_query_string(state):
    assert LayerState.from_query(state.query()) == state


@given(layer_states())
def test_a_query_string_holds_no_parameter_that_says_nothing(state):
    parts = [part for part in state.query().split("&") if part]
    for left_out in range(len(parts)):
        shorter = "&".join(parts[:left_out] + parts[left_out + 1 :])
        with contextlib.suppress(ValueError):  # what is left makes no sense without it: it did say something
            assert LayerState.from_query(shorter) != state


@given(layer_states())
def test_a_layer_comes_back_from_its_arguments(state):
    again = LayerState.of(state.arguments())
    assert again.geometry() == state.geometry()
    assert again.arguments() == state.arguments()


def test_the_geometry_is_the_one_that_the_words_mean():
    state = LayerState.from_query(
        "input_size=7x9&kernel_size=2x3&strides=2x1&dilation_rate=1x2&padding=1:0,2:3&in_channels=4&out_channels=6"
        "&groups=2"
    )
    assert state.geometry() == ConvGeometry.of(
        (7, 9),
        (2, 3),
        strides=(2, 1),
        dilation_rate=(1, 2),
        padding=((1, 0), (2, 3)),
        in_channels=4,
        out_channels=6,
        groups=2,
    )
    up = LayerState.from_query("input_size=4&kernel_size=3&strides=2&transposed=1&output_padding=1&padding=same")
    assert up.geometry() == ConvGeometry.transposed(4, 3, strides=2, padding="same", output_padding=1)


@pytest.mark.parametrize(
    ("query", "argument", "words"),
    [
        ("strides=0", "strides", "at least 1, received 0"),
        ("strides=x", "strides", "a whole number"),
        ("strides=2&strides=3", "strides", "given 2 times"),
        ("strides=1x2x3", "strides", "2 entries"),
        ("stride=2", "stride", "there is no parameter 'stride'"),
        ("input_size=3x3x3", "input_size", "1 or 2 axes"),
        ("input_size=129x5", "input_size", "at most 128"),
        ("input_size=128x128&padding=full", "input_size", "cells"),
        ("padding=sam", "padding", "same_lower"),
        ("padding=causal", "padding", "single axis"),
        ("padding=1,2,3", "padding", "2 entries"),
        ("padding=0:65,0:0", "padding", "from -64 to 64"),
        ("padding_mode=mirror", "padding_mode", "reflect"),
        ("padding_mode=wrap&transposed=1", "padding_mode", "zeros"),
        ("padding=full&transposed=1", "padding", "transposed"),
        ("output_padding=1", "output_padding", "transposed=1"),
        ("transposed=yes", "transposed", "1 or 0"),
        ("seed=-1", "seed", "from 0"),
        ("step=9", "step", "9 outputs"),
        ("pin=9", "pin", "9 outputs"),
        ("input_edits=5.0:1", "input_edits", "no cell 5.0"),
        ("kernel_edits=0.0:1000000", "kernel_edits", "999,999"),
        ("kernel_edits=0.0:1e3", "kernel_edits", "-0.5"),
        ("kernel_edits=0.0", "kernel_edits", "0.3:7"),
        ("pad_value=nan", "pad_value", "numbers"),
        ("view=top", "view", "tilted"),
        ("input_size=64x64&kernel_size=32&padding=same&in_channels=1024", "kernel_size", "products"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words_that_name_the_parameter(query, argument, words):
    with pytest.raises(ParameterError) as refused:
        LayerState.from_query(query)
    assert refused.value.argument == argument
    assert words in str(refused.value)
    assert argument in str(refused.value)


def test_every_parameter_is_told_with_its_value():
    names = set(Parameters.from_query(LayerState.from_query("").query())._texts) | set(LayerState.__dataclass_fields__)
    assert set(LayerState.from_query("").as_json()) == names


@given(
    st.builds(
        PictureState,
        picture=st.sampled_from(["", "sample:relief", "a-b_c"]),
        kernel=st.sampled_from(["sobel-x", "gaussian:7,1.5", "1 0 -1; 2 0 -2", "1/9 1/9"]),
        strides=st.tuples(st.integers(1, 9), st.integers(1, 9)),
        dilation_rate=st.tuples(st.integers(1, 9), st.integers(1, 9)),
        padding=st.sampled_from(["same", "valid", "full", ((1, 0), (2, -3)), ((4, 4), (4, 4))]),
        padding_mode=st.sampled_from(["zeros", "edge"]),
        value_range=st.sampled_from(["auto", "midgrey"]),
        flip=st.booleans(),
        grey=st.booleans(),
        normalize=st.booleans(),
    )
)
def test_a_filter_comes_back_from_its_query_string(state):
    assert PictureState.from_query(state.query()) == state


_CHAIN_LAYERS = st.builds(
    ChainLayer,
    kernel_size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    strides=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    dilation_rate=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    padding=st.sampled_from(["same", "valid", "same_lower", "full", ((1, 0), (2, 3)), ((1, 1), (2, 2))]),
)


@given(st.lists(_CHAIN_LAYERS, max_size=5), st.none() | st.tuples(st.integers(0, 3), st.integers(0, 3)))
def test_a_chain_comes_back_from_its_query_string(layers, output):
    state = ChainState(input_size=(31, 47), layers=tuple(layers), output=output)
    assert ChainState.from_query(state.query()) == state


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "begin with the size"),
        ("same 3", "begin with the size"),
        ("3 s2 s3", "two words for its strides"),
        ("3 same valid", "two words for its padding"),
        ("3 s0x", "padding must be"),
        ("3 x", "padding must be"),
        ("99", "kernel_size must be at most"),
    ],
)
def test_a_layer_of_a_chain_that_makes_no_sense_is_refused_in_words(text, words):
    with pytest.raises(ParameterError, match=r"layer|kernel_size") as refused:
        ChainLayer.of(text)
    assert refused.value.argument == "layer"
    assert words in str(refused.value)


def test_there_are_only_so_many_layers():
    with pytest.raises(ParameterError, match=f"{LIMITS.layers} at most"):
        ChainState.from_query("&".join(["layer=1"] * (LIMITS.layers + 1)))


@given(st.integers(-999_999_000, 999_999_000).map(lambda thousandths: thousandths / 1000))
def test_a_number_is_written_so_that_it_is_read_back(number):
    text = number_text(number)
    assert float(text) == number
    assert "e" not in text


@pytest.mark.parametrize("query", ["%ff=1", "strides=%ff", "a=1&" * 300])
def test_a_query_string_that_is_no_text_or_has_no_end_is_refused(query):
    with pytest.raises(ParameterError):
        LayerState.from_query(query)

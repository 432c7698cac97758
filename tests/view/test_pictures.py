"""Filtered pictures are what `filter2d` computes; what cannot be a picture is refused in words."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.view.images import encoded, noise, png_that_claims

import tweakconv as tc
from tweakconv.kernels import LIBRARY, parse_kernel
from tweakconv.picture import Picture
from tweakconv.view.limits import LIMITS
from tweakconv.view.server.samples import SAMPLES
from tweakconv.view.server.store import PictureStore


def sent(client, pixels, form="PNG", **options):
    """The name that a picture is given when it is sent."""
    answer = client.post("/api/pictures", content=encoded(pixels, form, **options))
    assert answer.status_code == 201, answer.text
    return answer.json()["picture"]


def received(answer):
    """The pixels in an answer, of shape (height, width, 4), and what is said about them."""
    assert answer.status_code == 200, answer.text
    facts = json.loads(answer.headers["tweakconv-result"])
    return np.frombuffer(answer.content, np.uint8).reshape(facts["height"], facts["width"], 4), facts


def shown(values, value_range, kernel_sum):
    """What a screen shows of filtered values."""
    if value_range == "abs" or (value_range == "auto" and kernel_sum <= 0):
        values = np.abs(values)
    elif value_range == "stretch":
        values = (values - values.min()) * (255 / (float(values.max()) - float(values.min())))
    elif value_range == "midgrey":
        values = values * (127 / float(np.abs(values).max())) + 128
    return np.rint(values).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("value_range", ["auto", "clip", "abs", "stretch", "midgrey"])
@pytest.mark.parametrize(
    ("kernel", "query", "arguments"),
    [
        ("sobel-x", "", {}),
        ("gaussian:5,1.2", "&strides=2x3", {"strides": (2, 3)}),
        ("emboss", "&dilation_rate=3x2&padding=valid", {"dilation_rate": (3, 2), "padding": "valid"}),
        (
            "1 2 3; 4 -5 6",
            "&padding=1:0,2:3&padding_mode=reflect",
            {"padding": ((1, 0), (2, 3)), "padding_mode": "reflect"},
        ),
        (
            "motion:4,30",
            "&padding=full&flip=1&strides=2&dilation_rate=2",
            {"padding": "full", "flip": True, "strides": 2, "dilation_rate": 2},
        ),
        (
            "laplacian",
            "&padding=same_lower&strides=2&padding_mode=wrap",
            {"padding": "same_lower", "strides": 2, "padding_mode": "wrap"},
        ),
    ],
)
def test_the_pixels_are_those_of_filter2d(client, channels, value_range, kernel, query, arguments):
    pixels = noise(37, 53, channels)
    name = sent(client, pixels)
    answer = client.get(f"/api/picture?picture={name}&kernel={kernel}&value_range={value_range}{query}")
    result, facts = received(answer)
    weights = parse_kernel(kernel).weights
    values = tc.filter2d(pixels.astype(np.float32), weights, **arguments)
    expected = shown(values, value_range, parse_kernel(kernel).sum)
    np.testing.assert_array_equal(result[..., :3], np.broadcast_to(expected, (*expected.shape[:2], 3)))
    assert (result[..., 3] == 255).all()
    assert facts["output"] == list(values.shape[:2])
    geometry = tc.ConvGeometry.of(
        pixels.shape[:2], weights.shape,
        **{name: value for name, value in arguments.items() if name in ("strides", "dilation_rate")},
        padding=arguments.get("padding", "same"),
    )  # fmt: skip
    assert facts["formula"] == [axis.formula() for axis in geometry.axes]


def test_a_picture_to_be_saved_is_the_one_that_is_shown(client):
    name = sent(client, noise(20, 31))
    query = f"picture={name}&kernel=unsharp&strides=2"
    result, _ = received(client.get(f"/api/picture?{query}"))
    saved = client.get(f"/api/picture?{query}&format=png")
    assert saved.headers["content-type"] == "image/png"
    assert saved.headers["content-disposition"] == 'attachment; filename="unsharp.png"'
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(saved.content))), result[..., :3])


def test_opacity_is_taken_from_the_centre_of_each_window(client):
    pixels = noise(9, 13, 4)
    result, _ = received(client.get(f"/api/picture?picture={sent(client, pixels)}&kernel=blur&strides=2"))
    np.testing.assert_array_equal(result[..., 3], pixels[::2, ::2, 3])


def test_sixteen_bits_are_rounded_to_eight(client):
    deep = np.array([[0, 128, 129, 257, 65535, 40000]], np.uint16)
    answer = client.post("/api/pictures", content=encoded(deep))
    assert "16 bits" in " ".join(answer.json()["notes"])
    result, _ = received(client.get(f"/api/picture?picture={answer.json()['picture']}&kernel=identity"))
    np.testing.assert_array_equal(result[0, :, 0], np.rint(deep[0] / 257).astype(np.uint8))


@pytest.mark.parametrize("sample", SAMPLES)
def test_samples_are_there_without_being_sent(client, sample):
    told = next(entry for entry in client.get("/api/about").json()["samples"] if entry["name"] == sample)
    result, facts = received(client.get(f"/api/picture?picture={told['picture']}&kernel=identity"))
    assert facts["input"] == [told["height"], told["width"]] == list(result.shape[:2])
    assert result[..., :3].std() > 10


@pytest.mark.parametrize("name", LIBRARY)
def test_every_named_kernel_is_told_with_its_numbers_and_filters(client, name):
    told = client.get("/api/kernel", params={"kernel": name}).json()
    np.testing.assert_allclose(told["weights"], parse_kernel(name).weights, atol=1e-9)
    assert client.get("/api/picture", params={"kernel": name, "strides": "8"}).status_code == 200


def test_a_one_megapixel_picture_comes_as_the_bytes_of_a_canvas(client):
    pixels = noise(1000, 1000)
    result, facts = received(client.get(f"/api/picture?picture={sent(client, pixels)}&kernel=gaussian:5"))
    assert result.nbytes == 4_000_000
    assert 0 < facts["compute_ms"] <= facts["total_ms"]


# What is refused


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (b"", 415, "PNG or JPEG"),
        (b"GIF89a and so on", 415, "PNG or JPEG"),
        (b"II*\x00 tiff", 415, "PNG or JPEG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "PNG or JPEG"),
        (b"\x89PNG\r\n\x1a\n", 400, "damaged"),
        (b"\xff\xd8\xff", 400, "damaged"),
        (encoded(noise(40, 40))[:900], 400, "damaged"),
        (encoded(noise(40, 40), "JPEG")[:700], 400, "damaged"),
        (png_that_claims(30_000, 30_000), 400, "more than the 16,000,000 pixels"),
        (png_that_claims(4001, 4000), 400, "4000 x 4001 = 16,004,000 pixels; at most 16,000,000"),
        (png_that_claims(300, 300), 400, "damaged"),
    ],
    ids=["empty", "gif", "tiff", "svg", "png's signature", "jpeg's signature", "half a png", "half a jpeg",
         "huge", "a little too large", "less than it claims"],
)  # fmt: skip
def test_what_is_no_picture_or_too_large_is_refused_in_words(client, data, status, words):
    answer = client.post("/api/pictures", content=data)
    assert answer.status_code == status
    assert words in answer.json()["error"]


def test_a_body_that_is_too_long_is_refused_whether_it_says_so_or_not(client):
    said = client.post("/api/pictures", content=bytes(LIMITS.upload_bytes + 1))
    unsaid = client.post("/api/pictures", content=(bytes(2**20) for _ in range(LIMITS.upload_bytes // 2**20 + 1)))
    for answer in (said, unsaid):
        assert answer.status_code == 413
        assert f"{LIMITS.upload_bytes:,} bytes" in answer.json()["error"]


@settings(max_examples=150)
@given(data=st.data(), form=st.sampled_from(["PNG", "JPEG"]))
def test_a_damaged_picture_never_breaks_the_server(client, data, form):
    whole = bytearray(encoded(noise(24, 17, seed=3), form))
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=8)):
        whole[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(len(whole) // 2, len(whole)))
    answer = client.post("/api/pictures", content=bytes(whole[:cut]))
    assert answer.status_code in (201, 400, 415)
    if answer.status_code == 201:  # noise in the pixels is a picture, too
        picture = answer.json()["picture"]
        assert client.get(f"/api/picture?picture={picture}").status_code == 200
        client.delete(f"/api/pictures/{picture}")


@pytest.mark.parametrize(
    ("query", "argument", "words"),
    [
        ("kernel=sobel", "kernel", "sobel-x or sobel-y"),
        ("kernel=1 2; 3", "kernel", "row 2 has 1"),
        ("kernel=1 x", "kernel", "not a number"),
        ("kernel=", "kernel", "empty"),
        ("kernel=gaussian:65", "kernel", "64 taps"),
        ("kernel=1e300", "kernel", "cannot hold"),
        ("kernel=3e38 3e38", "kernel", "overflow"),
        ("kernel=sobel-x&normalize=1", "kernel", "sums to 0"),
        ("kernel=blur:9&padding=valid&dilation_rate=100", "kernel", "no output"),
        ("kernel=weights.npy", "kernel", "there is no kernel"),
        ("kernel=/etc/passwd", "kernel", "not a number"),
        ("picture=sample:lena", "picture", "sample:photograph"),
        ("strides=65", "strides", "at most 64"),
        ("dilation_rate=0", "dilation_rate", "at least 1"),
        ("padding=9999", "padding", "-1024 to 1024"),
        ("padding_mode=constant", "padding_mode", "wrap"),
        ("value_range=log", "value_range", "stretch"),
        ("format=gif", "format", "png"),
        ("grey=2", "grey", "1 or 0"),
        ("kernell=blur", "kernell", "there is no parameter"),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused_in_words_that_name_the_parameter(client, query, argument, words):
    answer = client.get(f"/api/picture?{query}")
    assert answer.status_code == 400
    assert answer.json()["argument"] == argument
    assert words in answer.json()["error"]


def test_work_that_would_take_long_is_refused_with_its_numbers(client):
    name = sent(client, noise(3000, 3000, 1), compress_level=1)
    answer = client.get(f"/api/picture?picture={name}&kernel=gaussian:60")
    assert (answer.status_code, answer.json()["argument"]) == (400, "kernel")
    assert f"{60 * 60 * 3000 * 3000:,} multiply-adds" in answer.json()["error"]
    padded = client.get(f"/api/picture?picture={name}&padding=1024&kernel=identity&padding_mode=edge")
    assert (padded.status_code, padded.json()["argument"]) == (400, "padding")
    client.delete(f"/api/pictures/{name}")


# What is kept


def test_a_picture_that_is_not_held_is_gone_and_the_page_is_told_to_send_it_again(client):
    name = sent(client, noise(5, 4))
    assert client.delete(f"/api/pictures/{name}").status_code == 204
    for picture in (name, "guessed", "../../etc/passwd"):
        answer = client.get("/api/picture", params={"picture": picture})
        assert (answer.status_code, answer.json()["argument"]) == (410, "picture")
        assert "send it again" in answer.json()["error"]


def test_two_visitors_do_not_see_each_others_pictures(client):
    names = {sent(client, noise(8, 8, seed=seed)): seed for seed in range(5)}
    assert len(names) == 5
    assert min(map(len, names)) >= 22  # 128 bits that cannot be guessed
    for name, seed in names.items():
        result, _ = received(client.get(f"/api/picture?picture={name}&kernel=identity"))
        np.testing.assert_array_equal(result[..., :3], noise(8, 8, seed=seed))


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_a_picture_is_kept_as_long_as_it_is_asked_for():
    clock = Clock()
    store = PictureStore(LIMITS._replace(seconds_kept=100), clock)
    kept, left = (store.keep(Picture(np.zeros((1, 1, 1), np.uint8))) for _ in range(2))
    for clock.now in (90, 180):
        assert store.find(kept) is not None
    assert store.find(left) is None
    clock.now = 281
    assert store.find(kept) is None
    assert len(store) == 0


@pytest.mark.parametrize("limits", [{"kept_bytes": 1000}, {"kept_pictures": 10}])
def test_the_pictures_asked_for_longest_ago_make_room_for_new_ones(limits):
    store = PictureStore(LIMITS._replace(**limits))
    names = []
    for _ in range(25):
        names.append(store.keep(Picture(np.zeros((10, 10, 1), np.uint8))))
        assert store.find(names[0]) is not None  # asked for all the time: it stays
    assert len(store) == 10
    assert [name in {names[0], *names[-9:]} for name in names] == [store.find(name) is not None for name in names]


def test_a_picture_larger_than_the_room_is_kept_alone():
    store = PictureStore(LIMITS._replace(kept_bytes=10))
    first, second = (store.keep(Picture(np.zeros((10, 10, 1), np.uint8))) for _ in range(2))
    assert store.find(first) is None
    assert store.find(second) is not None

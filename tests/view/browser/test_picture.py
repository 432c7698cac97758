"""The tab "On a picture" in a real browser: its pixels are those of `filter2d`."""

from __future__ import annotations

import base64
import io
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image
from tests.view.browser.looking import sizes
from tests.view.images import encoded, noise

import tweakconv as tc

SOBEL_X = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32)


@pytest.fixture
def filtered(page):
    """Opens the tab on noise that was sent as a person's own picture."""

    def open_it(query="", *, height=90, width=120, name="noise.png"):
        page.goto(f"/?tab=picture&{query}")
        pixels = noise(height, width)
        page.get_by_label("Your own picture, PNG or JPEG").set_input_files(
            {"name": name, "mimeType": "image/png", "buffer": encoded(pixels)}
        )
        page.wait_for_function("(size) => document.querySelector('.ex-screen canvas').height === size", arg=height)
        settled(page)
        return pixels.astype(np.float32)

    return open_it


def settled(page):
    page.wait_for_selector('.ex-workbench[aria-busy="false"] canvas[aria-label*=" by "]')


def canvas(page, which):
    """The pixels of the left or the right canvas, (height, width, 4)."""
    png = page.evaluate(
        """(which) => {
          const canvas = document.querySelectorAll(".ex-screen canvas")[which];
          return canvas.toDataURL("image/png").split(",")[1];
        }""",
        which,
    )
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert("RGBA"))


def as_bytes(values, method="abs"):
    """Values as a screen shows them."""
    values = np.abs(values) if method == "abs" else values
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def test_the_pixels_are_those_of_filter2d(page, filtered):
    pixels = filtered()
    assert (canvas(page, 0)[..., :3] == pixels).all()
    assert (canvas(page, 1)[..., :3] == as_bytes(tc.filter2d(pixels, SOBEL_X))).all()


def test_every_tweak_reaches_the_pixels(page, filtered):
    pixels = filtered()
    page.get_by_label("Kernel", exact=True).select_option("gaussian")
    settled(page)
    kernel = np.array(page.evaluate("async () => (await (await fetch('/api/kernel?kernel=gaussian')).json()).weights"))
    page.get_by_role("slider", name="Stride", exact=True).press("ArrowRight")
    page.get_by_label("Dilation, as a number").fill("3")
    page.get_by_label("What the padding holds").select_option("reflect")
    page.get_by_label("by hand", exact=True).check(force=True)
    settled(page)
    for side, pad in [("top", 5), ("bottom", 2), ("left", 0), ("right", 7)]:
        page.get_by_label(f"Padding, {side}", exact=True).fill(str(pad))
    settled(page)
    expected = tc.filter2d(
        pixels, kernel.astype(np.float32), strides=2, dilation_rate=3, padding=((5, 2), (0, 7)), padding_mode="reflect"
    )
    found = canvas(page, 1)[..., :3]
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - as_bytes(expected, "clip")).max() <= 1  # the page rounds its weights to 9 digits
    height, width = expected.shape[:2]
    assert sizes(page) == f"90 × 120 → {height} × {width}"
    geometry = tc.ConvGeometry.of((90, 120), kernel.shape, strides=2, dilation_rate=3, padding=((5, 2), (0, 7)))
    formulas = page.locator(".ex-formulas:visible .ex-math").all_inner_texts()
    assert formulas == [axis.formula() for axis in geometry.axes]


def test_what_is_typed_while_an_answer_is_on_its_way_stays(page, filtered):
    filtered()
    page.get_by_label("by hand", exact=True).check(force=True)
    settled(page)
    page.evaluate(
        """() => {
          const ask = window.fetch;
          window.fetch = async (...asked) => {
            const answer = await ask(...asked);
            await new Promise((done) => setTimeout(done, 300));
            return answer;
          };
        }"""
    )
    page.get_by_label("Padding, top", exact=True).fill("5")
    page.get_by_label("Padding, left", exact=True).fill("9")
    page.wait_for_timeout(450)  # the first answer is there, which knows nothing of the left side, and the second is not
    page.get_by_label("Padding, right", exact=True).fill("7")
    page.wait_for_function("() => location.search.includes('9:7') || location.search.includes('%3A7')")
    settled(page)
    assert [page.get_by_label(f"Padding, {side}", exact=True).input_value() for side in ("top", "left", "right")] == [
        "5", "9", "7",
    ]  # fmt: skip


def test_a_kernel_is_typed_in_and_edited_weight_by_weight(page, filtered):
    pixels = filtered("value_range=clip")
    page.get_by_label("or write one: a name, or a row on each line").fill("0 1 0\n1 -4 2\n0 1/2 0")
    settled(page)
    kernel = np.array([[0, 1, 0], [1, -4, 2], [0, 0.5, 0]], np.float32)
    assert (canvas(page, 1)[..., :3] == as_bytes(tc.filter2d(pixels, kernel), "clip")).all()
    page.wait_for_selector('table[aria-label="Weights of the kernel"] td[data-value="-4"]')
    page.locator('table[aria-label="Weights of the kernel"] td[data-row="0"][data-column="2"]').press("3")
    page.keyboard.press("Enter")
    settled(page)
    kernel[0, 2] = 3
    assert (canvas(page, 1)[..., :3] == as_bytes(tc.filter2d(pixels, kernel), "clip")).all()


@pytest.mark.parametrize(
    ("label", "change"),
    [
        ("Divide by its sum", lambda kernel: kernel / kernel.sum()),
        ("Flip the kernel", lambda kernel: kernel[::-1, ::-1]),
    ],
)
def test_the_kernel_is_normalised_and_flipped(page, filtered, label, change):
    text, kernel = "1 2 0; 0 3 1", np.array([[1, 2, 0], [0, 3, 1]], np.float32)
    pixels = filtered(f"kernel={quote(text)}&value_range=clip&padding=valid")
    page.get_by_label(label).check()
    settled(page)
    found, expected = canvas(page, 1)[..., :3], as_bytes(tc.filter2d(pixels, change(kernel), padding="valid"), "clip")
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_the_result_is_downloaded_as_it_is_shown(page, filtered):
    filtered("strides=3")
    with page.expect_download() as download:
        page.get_by_role("link", name="PNG").click()
    assert (np.asarray(Image.open(download.value.path()).convert("RGB")) == canvas(page, 1)[..., :3]).all()


def test_the_samples_are_offered_and_one_is_a_megapixel(page):
    page.goto("/?tab=picture")
    settled(page)
    page.get_by_role("button", name="zone-plate").click()
    page.wait_for_function("() => document.querySelector('.ex-screen canvas').width === 1000")
    settled(page)
    pixels = page.evaluate("() => [...document.querySelectorAll('.ex-screen canvas')].map((c) => c.width * c.height)")
    assert pixels == [1_000_000, 1_000_000]
    times = dict(
        zip(
            page.locator(".ex-facts:visible dt").all_inner_texts(),
            page.locator(".ex-facts:visible dd").all_inner_texts(),
            strict=True,
        )
    )
    assert times["From slider to pixels"].endswith(" ms")
    assert times["Multiply-adds"] == "9,000,000"


def test_while_a_slider_moves_only_the_newest_state_is_waited_for(page, filtered):
    pixels = filtered()
    asked = []
    page.on("request", lambda request: "/api/picture?" in request.url and asked.append(request.url))
    page.evaluate(
        """() => {
          const slider = document.querySelector('.ex-workbench:has(canvas) [data-name="strides"] input[type="range"]');
          for (let value = 1; value <= 16; value++) {
            slider.value = value;
            slider.dispatchEvent(new Event("input"));
          }
        }"""
    )
    settled(page)
    assert (canvas(page, 1)[..., :3] == as_bytes(tc.filter2d(pixels, SOBEL_X, strides=16))).all()
    assert len(asked) <= 3


def test_what_is_no_picture_or_no_kernel_is_refused_in_words(page, filtered):
    filtered()
    page.expected_problems += ["415", "400"]
    page.get_by_label("Your own picture, PNG or JPEG").set_input_files(
        {"name": "notes.png", "mimeType": "image/png", "buffer": b"these are words"}
    )
    page.wait_for_selector('[role="alert"]')
    assert "must be a PNG or JPEG file" in page.locator('[role="alert"]').inner_text()
    page.get_by_label("or write one: a name, or a row on each line").fill("1 2; 3")
    page.wait_for_function("() => document.querySelector('[role=alert]')?.textContent.includes('row')")
    page.get_by_label("or write one: a name, or a row on each line").fill("sobel-y")
    settled(page)
    assert page.locator('[role="alert"]').count() == 0


def test_a_picture_that_the_server_has_let_go_of_is_sent_again(page, filtered):
    pixels = filtered()
    page.wait_for_function("() => new URLSearchParams(location.search).get('picture') !== null")
    name = page.evaluate("() => new URLSearchParams(location.search).get('picture')")
    page.expected_problems.append("410")
    assert (
        page.evaluate("async (name) => (await fetch(`/api/pictures/${name}`, { method: 'DELETE' })).status", name)
        == 204
    )
    page.get_by_label("Stride, as a number").fill("2")
    page.wait_for_function("() => document.querySelectorAll('.ex-screen canvas')[1].width === 60")
    assert (canvas(page, 1)[..., :3] == as_bytes(tc.filter2d(pixels, SOBEL_X, strides=2))).all()
    page.wait_for_function("(old) => new URLSearchParams(location.search).get('picture') !== old", arg=name)

"""The state lives in the address: a link shows another person the same thing."""

from __future__ import annotations

import pytest
from tests.view.browser.looking import sizes

STATES = {
    "one layer": "input_size=6x7&kernel_size=3x2&strides=2x1&padding=1:2,0:3&padding_mode=constant&pad_value=2"
    "&in_channels=2&out_channels=4&groups=2&output_channel=3&seed=5&input_edits=0.3:7,2.1:-4&kernel_edits=1.1:0.5&view=flat&pin=4",
    "picture": "tab=picture&picture=sample:relief&kernel=1+0+-1&strides=3&dilation_rate=2x1&padding=1:2,0:3&grey=1",
    "layers": "tab=layers&input_size=40x32&layer=5+s2+same&layer=3+d2&output=2x3",
}
# All that a person sees of a state: what is written, what is chosen, and how the drawing stands.
_SEEN = """() => {
  const panel = document.querySelector('[role="tabpanel"]:not([hidden])');
  const all = (selector, look) => [...panel.querySelectorAll(selector)].map(look);
  return {
    fields: all("input:not([type=file], [type=radio], [type=checkbox]), select, textarea", (e) => e.value),
    switches: all("input[type=checkbox]", (e) => e.checked),
    radios: all("input[type=radio]:checked", (e) => e.value),
    written: all(".ex-sizes-main, .ex-math, .ex-sum, .ex-warnings, table", (e) => e.textContent),
    drawn: all(".ex-drawing rect, .ex-drawing polygon, .ex-drawing [data-moves]", (e) =>
      [e.getAttribute("class"), e.getAttribute("points"), e.getAttribute("transform")].join()),
    pixels: all(".ex-screen canvas", (e) => e.toDataURL()),
  };
}"""


def settled(page):
    page.wait_for_selector(
        '[role="tabpanel"]:not([hidden]) [aria-busy="false"]:is(:has(svg), :has(canvas[aria-label*=" by "]))'
    )
    return page


@pytest.mark.parametrize("name", STATES)
def test_a_shared_link_restores_the_state(page, browser, explorer, name):
    page.goto(f"/?{STATES[name]}")
    settled(page)
    page.get_by_role("button", name="Share").click()
    page.wait_for_selector(".page-toast")
    link = page.evaluate("() => navigator.clipboard.readText()")
    other = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    theirs = other.new_page()
    theirs.goto(link)
    settled(theirs)
    theirs.wait_for_function("(link) => location.href === link", arg=link)
    assert theirs.evaluate(_SEEN) == page.evaluate(_SEEN)
    other.close()


def test_what_is_done_on_the_page_is_in_the_link(shown, browser, explorer):
    shown.open()
    shown.number("Input, as a number", 7)
    shown.page.get_by_label("same", exact=True).check(force=True)
    shown.settled().number("Stride, as a number", 2)
    shown.page.get_by_role("slider", name="Output cell").fill("6")
    shown.page.get_by_label("Flat").check(force=True)
    shown.settled()
    shown.wait_for_query(input_size="7x7", padding="same", strides="2", view="flat", step="6")
    before = shown.page.evaluate(_SEEN)
    shown.page.reload()
    shown.settled()
    assert shown.page.evaluate(_SEEN) == before


def test_back_and_forward_lead_through_the_tabs(page):
    page.goto("/?input_size=6x6")
    settled(page)
    page.get_by_role("tab", name="Many layers").click()
    settled(page)
    page.wait_for_function("() => location.search.includes('tab=layers')")
    page.go_back()
    settled(page)
    assert page.get_by_role("tab", name="One layer").get_attribute("aria-selected") == "true"
    assert sizes(page) == "6 × 6 → 4 × 4"
    page.go_forward()
    settled(page)
    assert page.get_by_role("tab", name="Many layers").get_attribute("aria-selected") == "true"


def test_an_address_that_makes_no_sense_is_refused_in_words(page):
    page.expected_problems.append("400")
    page.goto("/?strides=0")
    page.wait_for_selector('[role="alert"]')
    assert "strides must be at least 1" in page.locator('[role="alert"]').inner_text()


@pytest.mark.parametrize("query", ["step=-3", "step=none&pin=1.5", "pin=99", "step=400"])
def test_a_step_that_there_is_not_is_passed_over(shown, query):
    shown.open(query)
    assert shown.current_output() in {(0, 0), (2, 2)}


def test_a_kernel_that_there_is_not_stands_in_its_field_to_be_mended(page):
    page.expected_problems.append("400")
    page.goto("/?tab=picture&kernel=laplace")
    page.wait_for_selector('[role="alert"]')
    assert "laplacian" in page.locator('[role="alert"]').inner_text()
    assert page.get_by_label("or write one: a name, or a row on each line").input_value() == "laplace"


def test_two_tabs_do_not_disturb_each_other(shown, page, explorer):
    shown.open("input_size=6x6")
    other = page.context.new_page()
    other.goto(f"{explorer}/?input_size=9x9&strides=2")
    settled(other)
    shown.number("Kernel, as a number", 2)
    assert shown.sizes() == "6 × 6 → 5 × 5"
    assert sizes(other) == "9 × 9 → 4 × 4"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_light_and_dark_are_chosen_and_remembered(shown, page, theme):
    shown.open()
    button = page.get_by_role("button", name="Theme")
    while theme not in button.get_attribute("aria-label"):
        button.click()
    assert page.locator(".ex-drawing svg").evaluate("(svg, name) => svg.classList.contains(name)", f"tc-{theme}")
    colour = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    page.reload()
    shown.settled()
    assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") == colour
    bright = sum(map(float, colour.removeprefix("rgb(").removesuffix(")").split(",")))
    assert bright > 600 if theme == "light" else bright < 120

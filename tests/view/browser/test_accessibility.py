"""Every tab passes the checks of axe, light and dark, wide and narrow, and says in words what it shows."""

from __future__ import annotations

import itertools

import pytest
from axe_playwright_python.sync_playwright import Axe

TABS = {
    "one layer": "/?input_size=6x7&strides=2&padding=same&in_channels=2&out_channels=2&groups=2&pin=3",
    "one layer, flat": "/?input_size=9x9&strides=2&dilation_rate=2&view=flat&padding_mode=constant&padding=1:0,2:1",
    "one layer, refused": "/?input_size=2x2&kernel_size=5",
    "picture": "/?tab=picture&strides=2",
    "layers": "/?tab=layers&input_size=20x20&layer=3+s2+1&layer=9&layer=30",
    "practice": "/?tab=practice&kind=reads&level=1&seed=4",
    "practice, code": "/?tab=practice&kind=wrong_line&level=1&seed=4",
    "practice, choice": "/?tab=practice&kind=which_paddings&level=1&seed=4",
}
WINDOWS = {"wide": {"width": 1280, "height": 900}, "phone": {"width": 375, "height": 812}}
READY = '[role="tabpanel"]:not([hidden]) [aria-busy="false"]'


def assert_accessible(page):
    found = Axe().run(page).response["violations"]
    assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found] == []


# Contrast is a matter of the theme, and order and overlap of the width: each theme is seen with one of the widths.
@pytest.mark.parametrize(("theme", "window"), [("light", "wide"), ("dark", "phone")])
@pytest.mark.parametrize("name", TABS)
def test_axe_finds_nothing(page, name, theme, window):
    page.expected_problems.append("400")
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    page.set_viewport_size(WINDOWS[window])
    page.goto(TABS[name])
    page.wait_for_selector(READY)
    assert_accessible(page)
    # A phone's width holds all of it, without scrolling sideways.
    assert page.evaluate("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_the_verdict_of_an_exercise_is_accessible(page):
    page.goto("/?tab=practice&kind=output_size&level=1&seed=3")
    page.wait_for_selector(READY)
    for field in page.locator(".ex-answer-numbers input").all():
        field.fill("1")
    page.keyboard.press("Enter")
    page.wait_for_selector(".ex-verdict .ex-drawing svg")
    for window in WINDOWS.values():
        page.set_viewport_size(window)
        assert_accessible(page)


def test_the_open_menu_and_the_dialog_are_accessible(shown, page):
    shown.open()
    page.get_by_role("button", name="Save").click()
    assert_accessible(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Keys").click()
    assert page.get_by_role("dialog").is_visible()
    assert_accessible(page)


def test_the_output_shown_is_a_button_that_says_its_sum(shown, page):
    shown.open("input_size=3x3&kernel_size=2&seed=4")
    output = page.locator('.ex-drawing [role="button"]')
    values, weights = shown.table("Input values"), shown.table("Kernel weights")
    total = int((values[:2, :2] * weights).sum())
    products = " plus ".join(
        f"{int(value)} times {str(int(weight)).replace('-', '−')}"
        for value, weight in zip(values[:2, :2].flat, weights.flat, strict=True)
    )
    assert output.get_attribute("aria-label") == f"output row 0, column 0 is {str(total).replace('-', '−')}: {products}"
    page.get_by_role("button", name="Next output").click()
    assert page.locator(".ex-live").text_content().startswith("output row 0, column 1 is ")


def test_the_landmarks_and_headings_tell_the_page(shown, page):
    shown.open()
    assert page.get_by_role("tablist", name="Views").count() == 1
    assert page.get_by_role("main").count() == 1
    assert page.get_by_role("form", name="Tweaks").count() == 1
    levels = page.eval_on_selector_all(
        ":is(h1, h2, h3, h4)", "all => all.filter((e) => e.checkVisibility()).map((e) => Number(e.tagName[1]))"
    )
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_nothing_moves_by_itself_where_motion_is_not_welcome(shown, page):
    shown.open()
    moving = "() => document.getAnimations().filter((each) => each.playState === 'running').length"
    assert page.evaluate(moving) == 0
    durations = page.eval_on_selector_all(
        "*", "all => [...new Set(all.map((e) => getComputedStyle(e).transitionDuration))]"
    )
    assert set(durations) == {"0s"}

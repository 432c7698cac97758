"""The page is used with the keyboard alone."""

from __future__ import annotations

import pytest

# What a person can act on, as far as it is in sight; radio buttons are one stop for all of their name.
_STOPS = """() => {
  const panel = document.querySelector('[role="tabpanel"]:not([hidden])');
  const all = [...panel.querySelectorAll('a[href], button, input, select, textarea, [tabindex="0"]')].filter(
    (e) => e.checkVisibility() && !e.disabled && e.tabIndex >= 0 && !(e.type === "radio" && !e.checked)
      && !(e.closest('[hidden]')));
  all.forEach((e, at) => { e.dataset.stop = at; });
  return all.length;
}"""
_HERE = """() => {
  const at = document.activeElement;
  const shows = at.type === "radio" ? at.nextElementSibling : at.closest(".ex-number, .ex-own") ?? at;
  const outline = getComputedStyle(shows);
  return { stop: at.dataset.stop, marked: outline.outlineStyle !== "none" && parseFloat(outline.outlineWidth) > 0 };
}"""


@pytest.mark.parametrize("query", ["", "tab=picture", "tab=layers&layer=3+s2+1&layer=3"])
def test_the_tab_key_reaches_every_control_and_shows_where_it_is(page, query):
    page.goto(f"/?{query}")
    page.wait_for_selector(
        '[role="tabpanel"]:not([hidden]) [aria-busy="false"]:is(:has(svg), :has(canvas[aria-label*=" by "]))'
    )
    count = page.evaluate(_STOPS)
    assert count > 20
    page.get_by_role("button", name="Share").focus()
    reached, unmarked = set(), []
    for _ in range(count + 5):
        page.keyboard.press("Tab")
        here = page.evaluate(_HERE)
        if here["stop"] is not None:
            reached.add(int(here["stop"]))
            if not here["marked"]:
                unmarked.append(here["stop"])
    missing = page.evaluate(
        """(reached) => [...document.querySelectorAll("[data-stop]")]
          .filter((e) => !reached.includes(+e.dataset.stop))
          .map((e) => e.outerHTML.slice(0, 120))""",
        list(reached),
    )
    assert not missing
    assert not unmarked


def test_the_first_tab_stop_leads_to_the_content(shown, page):
    shown.open()
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("() => document.activeElement.id") == "content"


def test_tabs_are_walked_with_the_arrow_keys(page):
    page.goto("/")
    page.wait_for_selector('[role="tab"][aria-selected="true"]')
    page.get_by_role("tab", name="One layer").focus()
    seen = []
    for _ in range(4):
        page.keyboard.press("ArrowRight")
        seen.append(page.evaluate("() => document.querySelector('.page-tabs [aria-selected=true]').textContent"))
        assert page.evaluate("() => document.activeElement.textContent") == seen[-1]
    assert seen == ["On a picture", "Many layers", "Practice", "One layer"]


def test_outputs_are_walked_pinned_and_played_from_the_drawing(shown, page):
    shown.open("input_size=6x7&padding=same&view=flat")
    page.locator('.ex-drawing [role="button"]').focus()
    for key, place in [
        ("ArrowRight", (0, 1)),
        ("ArrowDown", (1, 1)),
        ("ArrowLeft", (1, 0)),
        ("ArrowUp", (0, 0)),
        ("ArrowUp", (0, 0)),
        ("End", (5, 6)),
        ("ArrowRight", (5, 6)),
        ("Home", (0, 0)),
    ]:
        page.keyboard.press(key)
        assert shown.current_output() == place
        focused = page.evaluate("() => [+document.activeElement.dataset.row, +document.activeElement.dataset.col]")
        assert tuple(focused) == place
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    shown.wait_for_query(pin="7")
    page.keyboard.press("Escape")
    shown.wait_for_query(pin=None)
    page.keyboard.press("v")
    shown.settled()
    shown.wait_for_query(view=None)
    assert shown.current_output() == (1, 0)
    page.keyboard.press("p")
    page.wait_for_selector('.ex-drawing [data-part="output"][data-row="1"][data-col="1"].tc-current')
    page.keyboard.press("p")
    assert page.locator(".ex-transport").first.get_attribute("data-playing") == "false"


def test_a_menu_is_opened_walked_and_closed(shown, page):
    shown.open()
    save = page.get_by_role("button", name="Save")
    save.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.dataset.format") == "format=svg"
    page.keyboard.press("Escape")
    assert save.get_attribute("aria-expanded") == "false"
    assert page.evaluate("() => document.activeElement.textContent") == "Save"


def test_a_table_of_values_is_one_stop_and_is_walked_with_the_arrow_keys(shown, page):
    shown.open()
    page.locator('table[aria-label="Kernel weights"] td[tabindex="0"]').focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowLeft"):
        page.keyboard.press(key)
    assert page.evaluate("() => [document.activeElement.dataset.row, document.activeElement.dataset.column]") == [
        "2",
        "0",
    ]
    page.keyboard.press("F2")
    page.keyboard.type("8")
    page.keyboard.press("Escape")
    assert shown.query().get("kernel_edits") is None
    page.keyboard.type("8")
    page.keyboard.press("Enter")
    shown.settled()
    shown.wait_for_query(kernel_edits="2.0:8")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.closest('table').getAttribute('aria-label')") == "Input values"


def test_the_dialog_with_the_keys_is_opened_and_closed(shown, page):
    shown.open()
    page.get_by_role("button", name="Keys").focus()
    page.keyboard.press("Enter")
    assert page.get_by_role("dialog").is_visible()
    page.keyboard.press("Escape")
    assert not page.get_by_role("dialog").is_visible()
    assert page.evaluate("() => document.activeElement.getAttribute('aria-label')") == "Keys"

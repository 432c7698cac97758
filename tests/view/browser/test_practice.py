"""The tab "Practice" in a real browser: right answers are accepted, wrong ones refused, and both are explained."""

from __future__ import annotations

import pytest
from tests.view.browser.looking import sizes

from tweakconv.view.practice import check, kinds, make_exercise
from tweakconv.view.practice.service import solve

KINDS = [entry["kind"] for entry in kinds()]


@pytest.fixture
def practice(page):
    """Opens an exercise."""

    def open_it(kind, level=1, seed=11):
        page.goto(f"/?tab=practice&kind={kind}&level={level}&seed={seed}")
        page.wait_for_selector(f'.ex-frame[data-kind="{kind}"][data-seed="{seed}"]')
        return page

    return open_it


def fill_in(page, form, answer):
    """Give an answer with the form that the page shows."""
    if form == "numbers":
        for name, value in answer.items():
            page.locator(f'.ex-answer-numbers input[name="{name}"]').fill(str(value))
    elif form == "cells":
        chosen = page.locator('.ex-answer-cells td[aria-selected="true"]')
        while chosen.count():
            chosen.first.click()
        for row, column in answer:
            page.locator(f'.ex-answer-cells td[data-row="{row}"][data-column="{column}"]').click()
    else:
        wanted = list(map(str, answer if isinstance(answer, list) else [answer]))
        for field in page.locator(".ex-exercise input[type=checkbox], .ex-exercise input[type=radio]").all():
            if field.get_attribute("type") == "checkbox" or field.get_attribute("value") in wanted:
                field.set_checked(field.get_attribute("value") in wanted)
    page.get_by_role("button", name="Check").click()
    page.wait_for_selector(".ex-frame[data-right]")


def some_wrong_answer(kind, level, seed, right):
    """An answer near a right one that is not right."""
    if isinstance(right, dict):
        candidates = [{**right, name: value + by} for name, value in right.items() for by in (1, 2, 3)]
    elif isinstance(right, list):
        candidates = [right[1:], [*right, [0, 0]], []]
    elif isinstance(right, int):
        candidates = [right + 1, right - 1]
    else:
        candidates = list("abcdef")
    for candidate in candidates:
        try:
            if not check(kind, level, seed, candidate).right:
                return candidate
        except (ValueError, TypeError):
            continue
    raise AssertionError(f"no wrong answer to {kind}")


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_answer_is_refused_and_a_right_one_accepted_and_both_explained(practice, kind):
    level, seed = 2, 7
    page = practice(kind, level, seed)
    asked = make_exercise(kind, level, seed).as_json()
    assert page.locator(".ex-question").inner_text() == asked["question"]
    right = solve(kind, level, seed)
    wrong = some_wrong_answer(kind, level, seed, right)
    form = asked["answer"]["form"]

    fill_in(page, form, wrong)
    verdict = check(kind, level, seed, wrong).as_json()
    assert page.locator(".ex-frame[data-right]").get_attribute("data-right") == "false"
    assert verdict["headline"] in page.locator(".ex-verdict").inner_text()
    assert page.locator(".ex-explanation li").all_inner_texts() == verdict["explanation"]
    assert page.locator(".ex-score dd").first.inner_text() == "0 of 1"

    fill_in(page, form, right)
    page.wait_for_selector('.ex-frame[data-right="true"]')
    if verdict["state"] or verdict["layers"]:
        page.wait_for_selector(".ex-verdict .ex-drawing svg")


def test_the_score_counts_each_question_once_and_stays_in_the_browser(practice, page):
    for seed, answers in [(1, ["right"]), (2, ["right", "right"]), (3, ["wrong", "right"]), (4, ["right"])]:
        practice("output_size", 1, seed)
        right = solve("output_size", 1, seed)
        for answer in answers:
            given = right if answer == "right" else {name: value + 1 for name, value in right.items()}
            if page.get_by_role("button", name="Check").is_visible():
                fill_in(page, "numbers", given)
                page.wait_for_selector(f'.ex-frame[data-right="{str(answer == "right").lower()}"]')
    score = dict(
        zip(page.locator(".ex-score dt").all_inner_texts(), page.locator(".ex-score dd").all_inner_texts(), strict=True)
    )
    assert score == {"Right": "3 of 4", "In a row": "1", "Longest row": "2"}
    page.reload()
    page.wait_for_selector(".ex-frame[data-seed]")
    assert page.locator(".ex-score dd").all_inner_texts() == ["3 of 4", "1", "2"]
    page.get_by_role("button", name="Forget the score").click()
    assert page.locator(".ex-score dd").first.inner_text() == "0 of 0"


def test_the_next_question_is_another_one_of_the_kind_and_level(practice, page):
    practice("output_size", 1, 5)
    fill_in(page, "numbers", solve("output_size", 1, 5))
    questions = {page.locator(".ex-given").inner_text()}
    for count in range(2, 7):
        before = page.locator(".ex-frame[data-seed]").get_attribute("data-seed")
        page.locator(".ex-exercise").get_by_role("button", name="Next" if count == 2 else "Another one").click()
        page.wait_for_selector(f'.ex-frame[data-seed]:not([data-seed="{before}"])')
        questions.add(page.locator(".ex-given").inner_text())
        assert len(questions) == count
    page.get_by_label("Hard").check(force=True)
    page.wait_for_selector('.ex-frame[data-level="3"]')
    page.get_by_label("Kind of exercise").select_option("value")
    page.wait_for_selector('.ex-frame[data-kind="value"][data-level="3"]')


def test_no_answer_is_not_a_wrong_answer(practice, page):
    practice("output_size")
    page.get_by_role("button", name="Check").click()
    assert "no answer yet" in page.locator('[role="alert"]').inner_text()
    assert page.locator(".ex-score dd").first.inner_text() == "0 of 0"


def test_the_explaining_picture_shows_the_layer_of_the_question(practice, page):
    practice("output_size", 1, 3)
    fill_in(page, "numbers", {"height": 1, "width": 1})
    page.wait_for_selector(".ex-verdict .ex-drawing svg")
    right = solve("output_size", 1, 3)
    assert page.locator('.ex-verdict [data-part="output"]').count() == right["height"] * right["width"]
    page.get_by_role("button", name="Next output").click()
    assert page.locator(".ex-verdict .ex-time output").inner_text().startswith("2 /")
    page.get_by_role("link", name="Open it").click()
    page.wait_for_selector('#panel-layer .ex-drawing[aria-busy="false"] svg')
    assert sizes(page).endswith(f"→ {right['height']} × {right['width']}")


def test_practice_needs_no_pointer(practice, page):
    practice("output_size", 1, 8)
    page.locator(".ex-question").focus()
    right = solve("output_size", 1, 8)
    page.keyboard.press("Tab")
    page.keyboard.type(str(right["height"]))
    page.keyboard.press("Tab")
    page.keyboard.type(str(right["width"]))
    page.keyboard.press("Enter")
    page.wait_for_selector('.ex-frame[data-right="true"]')
    practice("reads", 1, 8)
    page.locator('.ex-answer-cells td[tabindex="0"]').focus()
    at = [0, 0]
    for row, column in sorted(solve("reads", 1, 8)):
        for axis, target, keys in ((0, row, ("ArrowUp", "ArrowDown")), (1, column, ("ArrowLeft", "ArrowRight"))):
            while at[axis] != target:
                page.keyboard.press(keys[target > at[axis]])
                at[axis] += 1 if target > at[axis] else -1
        page.keyboard.press(" ")
    page.get_by_role("button", name="Check").press("Enter")
    page.wait_for_selector('.ex-frame[data-right="true"]')

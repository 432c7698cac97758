"""The tab "Many layers" in a real browser: what it says of a chain is what `receptive_field` says."""

from __future__ import annotations

import pytest
from tests.view.browser.looking import sizes

import tweakconv as tc

CHAIN = "tab=layers&input_size=60x70&layer=5+s2+same&layer=3+d2&layer=3x2+1"
LAYERS = [
    tc.Layer((5, 5), strides=2, padding="same"),
    tc.Layer((3, 3), dilation_rate=2),
    tc.Layer((3, 2), padding=1),
]


@pytest.fixture
def chain(page):
    """Opens the tab with some layers."""

    def open_it(query=CHAIN):
        page.goto(f"/?{query}")
        return settled(page)

    return open_it


def settled(page):
    page.wait_for_selector('.ex-frame[aria-busy="false"] .ex-field-drawing svg')
    return page


def times(size):
    return " × ".join(map(str, size))


def table(page):
    """The rows of the table, without the first two columns."""
    rows = page.locator(".ex-table tbody tr").all()
    return [row.locator("td").all_inner_texts()[1:] for row in rows]


def assert_says(page, layers, size):
    """The table says what the receptive fields of the layers, and the sizes of all valid and all same, are."""
    expected = []
    for count in range(1, len(layers) + 1):
        field = tc.receptive_field(layers[:count], size)
        alike = [
            tc.receptive_field(
                [tc.Layer(e.kernel_size, e.strides, name, e.dilation_rate) for e in layers[:count]], size
            )
            for name in ("valid", "same")
        ]
        expected.append(
            [
                times(field.output_sizes[-1]),
                times(field.size),
                times(field.jump),
                ", ".join(str(first).replace("-", "−") for first in field.start),
                f"{float(f'{100 * field.coverage:.1f}'):g} %",
                *(times(each.output_sizes[-1]) for each in alike),
            ]
        )
    assert table(page) == expected
    assert sizes(page) == f"{times(size)} → {times(field.output_sizes[-1])}"


def test_sizes_fields_and_borders_are_those_of_the_chain(chain):
    assert_says(chain(), LAYERS, (60, 70))


def test_layers_are_added_edited_moved_copied_and_removed(chain):
    page = chain()
    page.get_by_role("button", name="Add a layer").click()
    assert_says(settled(page), [*LAYERS, LAYERS[2]], (60, 70))
    last = page.locator('[data-layer="4"]')
    last.get_by_label("Stride, as a number").fill("2")
    last.get_by_label("Padding", exact=True).select_option("valid")
    added = tc.Layer((3, 2), strides=2)
    assert_says(settled(page), [*LAYERS, added], (60, 70))
    page.get_by_role("button", name="Move up layer 4").click()
    assert_says(settled(page), [*LAYERS[:2], added, LAYERS[2]], (60, 70))
    assert page.evaluate("() => document.activeElement.getAttribute('aria-label')") == "Move up layer 3"
    page.get_by_role("button", name="Copy layer 1").click()
    assert_says(settled(page), [LAYERS[0], *LAYERS[:2], added, LAYERS[2]], (60, 70))
    page.get_by_role("button", name="Remove layer 2").click()
    page.get_by_role("button", name="Remove layer 3").click()
    assert_says(settled(page), [*LAYERS[:2], LAYERS[2]], (60, 70))
    page.wait_for_function(
        "() => new URLSearchParams(location.search).getAll('layer').join() === '5 s2 same,3 d2,3x2 1'"
    )


def test_each_side_of_a_layer_is_padded_by_hand(chain):
    page = chain("tab=layers&input_size=20x20&layer=3+s2+same")
    card = page.locator('[data-layer="1"]')
    card.get_by_label("Padding", exact=True).select_option("hand")
    settled(page)
    card.get_by_label("Padding of layer 1, left").fill("3")
    assert_says(settled(page), [tc.Layer((3, 3), strides=2, padding=((0, 1), (3, 1)))], (20, 20))


def test_the_drawn_output_is_chosen(chain):
    page = chain()
    page.get_by_label("Output row").fill("1")
    settled(page)
    page.get_by_label("Output column").fill("0")
    settled(page)
    page.wait_for_function("() => new URLSearchParams(location.search).get('output') === '1x0'")
    assert "of output 1, 0" in page.locator(".ex-field-drawing").text_content()


@pytest.mark.parametrize(
    ("query", "kind", "words"),
    [
        ("layer=3+d2+same&layer=3+d2+same", "gridding", "reads 25 of the 81 pixels"),
        ("layer=3+s2+same", "layer", "padding is uneven"),
        ("layer=3+s2", "layer", "never read"),
        ("input_size=9x9&layer=5+same&layer=5+same&layer=5+same", "larger", "larger"),
    ],
)
def test_warnings_say_what_is_wrong(chain, query, kind, words):
    page = chain(f"tab=layers&{query}")
    assert words in page.locator(f'.ex-warnings [data-kind="{kind}"]').first.inner_text()


def test_a_layer_that_does_not_fit_is_marked_and_those_before_it_stay(chain):
    page = chain("tab=layers&input_size=8x8&layer=3&layer=9&layer=3")
    assert "spans 9" in page.locator('[role="alert"]').inner_text()
    fits = page.eval_on_selector_all(".ex-chain-layer", "cards => cards.map((card) => card.dataset.fits)")
    assert fits == ["true", "false", "false"]
    assert_says(page, [tc.Layer((3, 3))], (8, 8))


def test_an_example_fills_the_chain(chain):
    page = chain()
    page.get_by_label("Start from").select_option(label="LeNet")
    lenet = [tc.Layer((5, 5), padding="same"), tc.Layer((2, 2), 2), tc.Layer((5, 5)), tc.Layer((2, 2), 2)]
    assert_says(settled(page), lenet, (28, 28))

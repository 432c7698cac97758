"""The notebook widget in a real browser: its module runs by itself, and asks Python through its model."""

from __future__ import annotations

import json

import pytest

import tweakconv as tc

# A notebook's page with the widget in it; the model is what anywidget gives to a front end.
_MOUNT = """async ([code, style, values]) => {
  document.head.append(Object.assign(document.createElement("style"), { textContent: style }));
  const module = await import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
  const listeners = {};
  const model = {
    get: (name) => values[name],
    set: (name, value) => { values[name] = value; },
    save_changes: () => window.saved(JSON.stringify({ query: values.query })),
    on: (name, listener) => { (listeners[name] ??= []).push(listener); },
    off: (name, listener) => { listeners[name] = (listeners[name] ?? []).filter((each) => each !== listener); },
    send: async (message) => {
      const answer = JSON.parse(await window.asked(JSON.stringify(message)));
      for (const listener of listeners["msg:custom"]) listener(answer);
    },
  };
  window.fromPython = (name, value) => {
    values[name] = value;
    for (const listener of listeners[`change:${name}`]) listener();
  };
  window.unmount = module.default.render({ model, el: document.getElementById("cell") });
}"""


@pytest.fixture
def mounted(page):
    """A widget in a page of its own, connected with Python."""

    def mount(widget, background="white"):
        page.goto("about:blank")
        page.set_content(f'<body style="background: {background}"><h1>A notebook</h1><div id="cell"></div></body>')
        sent = []
        widget.send = sent.append

        def ask(message):
            widget._handle_custom_msg(json.loads(message), [])
            return json.dumps(sent.pop())

        page.expose_function("asked", ask)
        page.expose_function("saved", lambda values: setattr(widget, "query", json.loads(values)["query"]))
        heading = page.evaluate("() => JSON.stringify(Object.values(getComputedStyle(document.querySelector('h1'))))")
        values = {"query": widget.query, "first": widget.first, "limits": widget.limits}
        page.evaluate(_MOUNT, [widget._esm, widget._css, values])
        page.wait_for_selector('.ex-drawing[aria-busy="false"] svg')
        after = page.evaluate("() => JSON.stringify(Object.values(getComputedStyle(document.querySelector('h1'))))")
        assert after == heading, "the notebook has lost its look"
        return widget

    return mount


def test_it_shows_the_layer_and_follows_its_controls(shown, mounted):
    widget = mounted(tc.explore((6, 7), 3, padding="same"))
    assert shown.sizes() == "6 × 7 → 6 × 7"
    shown.number("Stride, as a number", 2)
    assert shown.sizes() == "6 × 7 → 3 × 4"
    shown.page.get_by_role("button", name="Next output").click()
    assert shown.current_output() == (0, 1)
    assert widget.query == "input_size=6x7&strides=2&padding=same&step=1"


def test_it_follows_what_is_set_in_python(shown, mounted):
    widget = mounted(tc.explore())
    widget.query = "input_size=8x8&strides=3"
    shown.page.evaluate("(query) => window.fromPython('query', query)", widget.query)
    shown.page.wait_for_function("() => document.querySelector('.ex-sizes-main').textContent.includes('2 × 2')")


def test_it_refuses_in_words(shown, mounted):
    mounted(tc.explore())
    shown.number("Groups", 2)
    assert "groups must divide in_channels" in shown.text('[role="alert"]')


@pytest.mark.parametrize(("background", "theme"), [("#111", "dark"), ("#fff", "light")])
def test_it_is_as_light_or_dark_as_the_notebook(shown, mounted, background, theme):
    mounted(tc.explore(), background)
    shown.page.wait_for_selector(f'#cell[data-theme="{theme}"] svg.tc-{theme}')


def test_it_lets_go_of_its_model_when_the_cell_goes(shown, mounted):
    mounted(tc.explore())
    shown.page.evaluate("() => { window.unmount(); window.fromPython('query', 'input_size=9x9'); }")
    assert shown.sizes() == "5 × 5 → 3 × 3"

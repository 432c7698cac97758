// The tab "Many layers": a chain to add to, order and edit, and what becomes of an image along it.

import { button, drawn, dress, fill, h, newest, setAttribute } from "./dom.js";
import { dropDown, problem, tweak } from "./controls.js";
import { wordsOf } from "./chain-words.js";
import { layerCard } from "./chain-card.js";
import { card, sizesLine } from "./panels.js";
import { ask, joined, parameters, query } from "./state.js";

const EXAMPLES = [
  ["Gridding: three of dilation 2", "28x28", ["3 d2 same", "3 d2 same", "3 d2 same"]],
  ["No gridding: dilation 1, 2, 5", "28x28", ["3 same", "3 d2 same", "3 d5 same"]],
  ["LeNet", "28x28", ["5 same", "2 s2", "5", "2 s2"]],
  ["Stem of a ResNet", "224x224", ["7 s2 3", "3 s2 1", "3 1", "3 1"]],
  ["Two blocks of VGG", "224x224", ["3 same", "3 same", "2 s2", "3 same", "3 same", "2 s2"]],
];

/** The tab; `remember()` is called when its state has changed. */
export function layersTab(page, remember) {
  let wanted = { layer: [] };
  let cards = [];
  const { limits } = page.about;

  const input = tweak({
    name: "input_size",
    label: "Input",
    tone: "input",
    least: 1,
    most: limits.chain_size,
    slides: 256,
    onchange: (values) => change({ input_size: joined(values) }),
  });
  const list = h("ol", { class: "ex-chain" });
  const examples = dropDown({
    label: "Start from",
    options: [["", "an example …"], ...EXAMPLES.map(([name], at) => [String(at), name])],
    onchange: useExample,
  });
  const add = button({
    label: "Add a layer",
    iconName: "plus",
    class: "ex-button ex-primary",
    onclick: () => change({ layer: [...wanted.layer, wanted.layer.at(-1) ?? "3 same"] }, wanted.layer.length),
  });

  const sizes = sizesLine();
  const summary = h("p", { class: "ex-note" });
  const trouble = h("div", {});
  const drawing = h("div", { class: "ex-drawing ex-field-drawing" });
  const rows = h("tbody", {});
  const warnings = h("ul", { class: "ex-warnings" });
  const border = h("ul", { class: "ex-plain" });
  const chosen = ["row", "column"].map((axis, a) => outputField(axis, a));

  const element = h(
    "div",
    { class: "ex-frame" },
    h(
      "div",
      { class: "ex-workbench ex-wide-rail" },
      h(
        "form",
        { class: "ex-rail ex-card", "aria-label": "Layers", onsubmit: (event) => event.preventDefault() },
        h("div", { class: "ex-controls ex-roomy" }, examples.element, input.element),
        h("div", { class: "ex-controls ex-roomy" }, h("h2", { class: "ex-hidden" }, "Layers"), list, add),
      ),
      h(
        "div",
        { class: "ex-main" },
        h(
          "section",
          { class: "ex-card ex-first", "aria-label": "Receptive field" },
          h(
            "div",
            { class: "ex-stage-bar" },
            h("div", { class: "ex-sizes" }, sizes.element),
            h(
              "div",
              { class: "ex-output-choice", role: "group", "aria-label": "Output whose field is drawn" },
              h("span", { class: "ex-note", "aria-hidden": "true" }, "Field of output"),
              chosen.map((field) => field.element),
            ),
          ),
          trouble,
          drawing,
          h("div", { class: "ex-caption" }, summary),
        ),
        card("Worth knowing", warnings),
        card(
          "Layer by layer",
          h(
            "div",
            { class: "ex-table-frame", tabindex: 0, role: "region", "aria-label": "Layer by layer" },
            h(
              "table",
              { class: "ex-table" },
              h(
                "thead",
                {},
                h(
                  "tr",
                  {},
                  ["Nr.", "Layer", "Size", "Field", "Jump", "Start", "Coverage", "All valid", "All same"].map((name) =>
                    h("th", { scope: "col" }, name),
                  ),
                ),
              ),
              rows,
            ),
          ),
          border,
        ),
      ),
    ),
  );

  const load = newest(async () => {
    const asked = query(wanted);
    element.setAttribute("aria-busy", "true");
    try {
      const answer = await (await ask("/api/layers", asked)).json();
      if (asked !== query(wanted)) return;
      const { theme, ...rest } = parameters(answer.query, ["layer"]);
      wanted = { ...rest, layer: rest.layer ?? [] };
      show(answer);
    } catch (error) {
      fill(trouble, h("div", { class: "ex-trouble" }, problem(error.message)));
    }
    element.setAttribute("aria-busy", "false");
    remember();
  });

  /** Takes over parameters, and puts the focus on the card of a layer where one is named. */
  function change(changed, focused = null) {
    // Another chain has other outputs: the middle one of its last layer is drawn until one is chosen.
    wanted = { ...wanted, ...("output" in changed ? {} : { output: "" }), ...changed };
    paintCards();
    if (focused !== null) cards[focused]?.focus();
    load();
  }

  function paintCards() {
    const { layer: texts } = wanted;
    while (cards.length > texts.length) cards.pop().element.remove();
    texts.forEach((text, at) => {
      if (!cards[at]) {
        cards[at] = layerCard({
          limits,
          at,
          edit: (words) => change({ layer: wanted.layer.with(at, words) }),
          move: (by) => moveLayer(at, by),
          copy: () => change({ layer: wanted.layer.toSpliced(at, 0, wanted.layer[at]) }, at + 1),
          remove: () => change({ layer: wanted.layer.toSpliced(at, 1) }, Math.min(at, wanted.layer.length - 2)),
        });
        list.append(cards[at].element);
      }
      cards[at].show(text, texts.length);
    });
  }

  function moveLayer(at, by) {
    const to = at + by;
    if (to < 0 || to >= wanted.layer.length) return;
    const layer = [...wanted.layer];
    [layer[at], layer[to]] = [layer[to], layer[at]];
    change({ layer });
    cards[to].focus(by);
    page.say(`Layer ${at + 1} is now layer ${to + 1}`);
  }

  function useExample(at) {
    if (at === "") return;
    const [, size, layer] = EXAMPLES[at];
    change({ input_size: size, layer });
    examples.show("");
  }

  function outputField(axis, a) {
    const fieldInput = h("input", {
      class: "ex-field ex-short",
      type: "number",
      min: 0,
      step: 1,
      inputmode: "numeric",
      "aria-label": `Output ${axis}`,
    });
    fieldInput.addEventListener("input", () => {
      if (fieldInput.validity.valid && fieldInput.value !== "")
        change({
          output: joined(chosen.map((field) => Number(field.element.value)).with(a, Number(fieldInput.value))),
        });
    });
    return {
      element: fieldInput,
      show(value, count) {
        fieldInput.max = count - 1;
        if (document.activeElement !== fieldInput) fieldInput.value = value;
      },
    };
  }

  function show(answer) {
    input.show(answer.input_size);
    paintCards();
    fill(trouble, answer.error && h("div", { class: "ex-trouble" }, problem(answer.error.text)));
    const last = answer.layers.at(-1);
    sizes.show(answer.input_size, last?.output_size);
    summary.textContent = answer.summary;
    drawing.replaceChildren(drawn(answer.svg, page.theme));
    chosen.forEach((field, a) => last && field.show(answer.output[a], last.output_size[a]));
    cards.forEach((each, at) =>
      each.tell(answer.layers[at], answer.error?.layer === at + 1 ? answer.error.text : null),
    );
    fill(
      rows,
      answer.layers.map((layer, at) => rowOf(layer, answer.border.valid[at], answer.border.same[at])),
    );
    fill(
      border,
      (answer.border.text ?? []).map((text) => h("li", {}, text)),
    );
    fill(
      warnings,
      answer.warnings.length
        ? answer.warnings.map(({ layer, kind, text }) =>
            h("li", { "data-kind": kind }, layer !== null && h("strong", {}, `Layer ${layer}: `), text),
          )
        : h("li", { "data-kind": "none" }, "Nothing: every pixel is read, evenly."),
    );
    setAttribute(element, "data-query", answer.query);
  }

  return {
    element,
    restore(search) {
      const { theme, ...given } = parameters(search, ["layer"]);
      wanted = { ...given, layer: given.layer ?? [] };
      if (search === "") [, wanted.input_size, wanted.layer] = EXAMPLES[0];
      paintCards();
      load();
    },
    query: () => query(wanted),
    repaint: () => drawing.firstElementChild && dress(drawing.firstElementChild, page.theme),
  };
}

/** The chain as a query, for those who want to show it here. */
export function chainQuery({ input_size, layers }) {
  return query({ input_size: joined(input_size), layer: layers.map(wordsOf) });
}

function rowOf(layer, valid, same) {
  const size = (numbers) => (numbers ? numbers.join(" × ") : "—");
  const cells = [
    size(layer.output_size),
    size(layer.field),
    size(layer.jump),
    layer.start.map((first) => String(first).replace("-", "−")).join(", "),
    `${Number((100 * layer.coverage).toFixed(1))} %`,
    size(valid),
    size(same),
  ];
  return h(
    "tr",
    {},
    h("td", {}, layer.number),
    h("th", { scope: "row" }, whatItIs(layer)),
    cells.map((text) => h("td", {}, text)),
  );
}

/** The tweaks of a layer; its sizes, which its title begins with, have columns of their own. */
function whatItIs({ title }) {
  return title.split(" · ").slice(1).join(" · ");
}

// One layer of a chain: its window, steps and padding, and the buttons that move, copy and remove it.

import { button, h } from "./dom.js";
import { dropDown, padsField, tweak } from "./controls.js";
import { readWords, sidesOf, writeWords } from "./chain-words.js";
import { pairs } from "./state.js";

const PADDINGS = [
  ["valid", "valid"],
  ["same", "same"],
  ["same_lower", "same lower"],
  ["full", "full"],
  ["hand", "by hand"],
];

/** The card of layer `at`; `edit(words)`, `move(by)`, `copy()` and `remove()` do what their names say. */
export function layerCard({ limits, at, edit, move, copy, remove }) {
  let layer = null;
  let told = null;
  const change = (changed) => edit(writeWords({ ...layer, ...changed }));
  const field = (name, label, most) =>
    tweak({ name, label, tone: "kernel", least: 1, most, onchange: (values) => change({ [name]: values }) });
  const kernel = field("kernel", "Kernel", limits.kernel_size);
  const strides = field("strides", "Stride", limits.strides);
  const dilation = field("dilation", "Dilation", limits.dilation_rate);
  const padding = dropDown({
    label: "Padding",
    options: PADDINGS,
    onchange: (name) =>
      change({
        padding:
          name === "hand"
            ? pairs(
                told?.pads ?? [
                  [0, 0],
                  [0, 0],
                ],
              )
            : name,
      }),
  });
  const pads = padsField({
    least: -16,
    most: limits.pad,
    words: `Padding of layer ${at + 1}`,
    onchange: (sides) => change({ padding: pairs(sides) }),
  });
  const size = h("span", { class: "ex-chain-size" });
  const act = (label, iconName, onclick) =>
    button({ label: `${label} layer ${at + 1}`, iconName, shown: false, class: "ex-button ex-quiet", onclick });
  const up = act("Move up", "up", () => move(-1));
  const down = act("Move down", "down", () => move(1));
  const drop = act("Remove", "trash", remove);

  const element = h(
    "li",
    { class: "ex-chain-layer", "data-layer": at + 1 },
    h(
      "div",
      { class: "ex-chain-head" },
      h("span", { class: "ex-chain-number", "aria-hidden": "true" }, at + 1),
      h("h3", { class: "ex-chain-title" }, h("span", { class: "ex-hidden" }, `Layer ${at + 1}: `), size),
      h("div", { class: "ex-chain-acts" }, up, down, act("Copy", "copy", copy), drop),
    ),
    h("div", { class: "ex-chain-fields ex-compact" }, kernel.element, strides.element, dilation.element),
    padding.element,
    pads.element,
  );

  return {
    element,
    /** Shows the words of the layer, one of `count`. */
    show(text, count) {
      layer = readWords(text);
      kernel.show(layer.kernel);
      strides.show(layer.strides);
      dilation.show(layer.dilation);
      const named = PADDINGS.some(([name]) => name === layer.padding);
      padding.show(named ? layer.padding : "hand");
      pads.element.hidden = named;
      if (!named) pads.show(sidesOf(layer.padding), "pads");
      up.disabled = at === 0;
      down.disabled = at === count - 1;
    },
    /** Shows what the answer says of the layer, or what is wrong with it. */
    tell(answer, trouble) {
      told = answer;
      size.textContent = answer
        ? `${answer.input_size.join(" × ")} → ${answer.output_size.join(" × ")}`
        : trouble
          ? "does not fit"
          : "is not reached";
      element.dataset.fits = String(Boolean(answer));
    },
    /** Puts the focus on the button that moved it, or the first field. */
    focus(by) {
      const wanted = { "-1": up, 1: down }[by];
      if (wanted && !wanted.disabled) wanted.focus();
      else kernel.element.querySelector('input[type="number"]').focus();
    },
  };
}

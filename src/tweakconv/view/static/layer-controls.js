// The rail of the one-layer view: every tweak of a convolution, shown as the answer tells it, written as text.

import { button, h } from "./dom.js";
import { choice, dropDown, numberField, padsField, toggle, tweak } from "./controls.js";
import { joined, pairs, shortest } from "./state.js";

const PADDINGS = [
  ["valid", "valid", "No padding"],
  ["same", "same", "As many outputs as inputs over the stride; an odd pad at the end"],
  ["same_lower", "same lower", "The same, with an odd pad at the start"],
  ["full", "full", "Every overlap of kernel and input counts"],
  ["causal", "causal", "No output reads what comes after it"],
  ["hand", "by hand", "Each side on its own"],
];

const MODES = [
  ["zeros", "zeros: 0 0 | a b c | 0 0"],
  ["constant", "constant: v v | a b c | v v"],
  ["reflect", "reflect: c b | a b c | b a"],
  ["symmetric", "symmetric: b a | a b c | c b"],
  ["edge", "edge: a a | a b c | c c"],
  ["wrap", "wrap: b c | a b c | a b"],
];

const OUTPUT_PADDINGS = [
  ["", "as Keras decides"],
  ...Array.from({ length: 8 }, (_, value) => [String(value), String(value)]),
];

// Sliders end where a drawing is still easy to read; the numbers beside them go on to what the server takes.
const SLIDES = { input_size: 64, kernel_size: 11, strides: 8, dilation_rate: 8 };

/**
 * The rail. `change(parameters)` is called with the parameters that a control changes, as text; `show(answer)` makes
 * all of them say what an answer says.
 */
export function layerControls({ limits, change }) {
  let state = null;
  let scene = null;

  const perAxis = (name, label, tone, hints) =>
    tweak({
      name,
      label,
      tone,
      least: 1,
      most: limits[name],
      slides: SLIDES[name],
      ...hints,
      onchange: (values) => change({ [name]: joined(values) }),
    });
  const input = perAxis("input_size", "Input", "input");
  const kernel = perAxis("kernel_size", "Kernel", "kernel");
  const strides = perAxis("strides", "Stride", "kernel");
  const dilation = perAxis("dilation_rate", "Dilation", "kernel");

  const axes = choice({
    label: "Axes",
    joined: true,
    options: [
      ["2", "2-D"],
      ["1", "1-D"],
    ],
    onchange: (rank) => change(withRank(state, Number(rank))),
  });
  const transposed = toggle({
    label: "Transposed",
    onchange: (on) =>
      change({
        transposed: on ? "1" : "",
        output_padding: "",
        // What a transposed layer does not have goes with it.
        padding: on && !["valid", "same", "same_lower"].includes(state.padding) ? "valid" : undefined,
        padding_mode: on && !["zeros", "constant"].includes(state.padding_mode) ? "" : undefined,
      }),
  });
  const outputPadding = dropDown({
    label: "Output padding",
    options: OUTPUT_PADDINGS,
    onchange: (value) => change({ output_padding: value }),
  });

  const padding = choice({
    label: "Padding",
    even: true,
    options: PADDINGS,
    // By hand begins with the pads there are, so that nothing moves before a person moves it.
    onchange: (name) =>
      change(name === "hand" ? { padding: pairs(padsOf(scene, state)), output_padding: "" } : { padding: name }),
  });
  const pads = padsField({
    least: -16,
    most: limits.pad,
    words: "Padding",
    onchange: (sides) => change({ padding: pairs(sides) }),
  });
  const mode = dropDown({
    label: "What the padding holds",
    options: MODES,
    onchange: (name) => change({ padding_mode: name, pad_value: "" }),
  });
  const padValue = numberField({
    label: "Value of the padding",
    least: -99,
    most: 99,
    commit: (value) => change({ pad_value: String(value) }),
  });
  const padValueRow = h("div", { class: "ex-row" }, h("span", { "aria-hidden": "true" }, "v ="), padValue.element);

  const channel = (name, label) => {
    const field = numberField({
      label,
      least: 1,
      most: limits.channels,
      commit: (value) => change({ [name]: String(value), input_channel: "", output_channel: "" }),
    });
    return { ...field, row: h("div", { class: "ex-row" }, h("span", { "aria-hidden": "true" }, label), field.element) };
  };
  const inChannels = channel("in_channels", "Input channels");
  const outChannels = channel("out_channels", "Output channels");
  const groups = channel("groups", "Groups");
  const wiring = channelWiring({ change });

  const reroll = button({
    label: "New numbers",
    iconName: "dice",
    onclick: () => change({ seed: String((state.seed + 1) % 2 ** 32) }),
  });
  const reset = button({
    label: "Undo edits",
    iconName: "reset",
    onclick: () => change({ input_edits: "", kernel_edits: "" }),
  });

  const element = h(
    "form",
    { class: "ex-rail ex-card", "aria-label": "Tweaks", onsubmit: (event) => event.preventDefault() },
    h("div", { class: "ex-controls" }, h("div", { class: "ex-row" }, axes.element, transposed.element), input.element),
    h("div", { class: "ex-controls" }, kernel.element, strides.element, dilation.element),
    h(
      "div",
      { class: "ex-controls ex-roomy" },
      h("h2", { class: "ex-control-title" }, "Padding"),
      padding.element,
      pads.element,
      mode.element,
      padValueRow,
      outputPadding.element,
    ),
    h("div", { class: "ex-controls" }, inChannels.row, outChannels.row, groups.row, wiring.element),
    h("div", { class: "ex-controls" }, h("div", { class: "ex-row" }, reroll, reset)),
  );

  return {
    element,
    show(answer) {
      ({ state, scene } = answer);
      const rank = state.input_size.length;
      for (const [control, name] of [
        [input, "input_size"],
        [kernel, "kernel_size"],
        [strides, "strides"],
        [dilation, "dilation_rate"],
      ]) {
        control.show(state[name]);
      }
      axes.show(String(rank));
      transposed.show(state.transposed);
      const byHand = typeof state.padding !== "string";
      padding.offer(
        PADDINGS.map(([name]) => name).filter((name) =>
          state.transposed ? !["full", "causal"].includes(name) : name !== "causal" || rank === 1,
        ),
      );
      padding.show(byHand ? "hand" : state.padding);
      pads.show(padsOf(scene, state), state.input_size.join(" × "), state.transposed ? "Cut" : "Padding");
      mode.show(state.padding_mode);
      mode.offer(state.transposed ? ["zeros"] : MODES.map(([name]) => name));
      padValue.show(state.pad_value);
      padValueRow.hidden = state.padding_mode !== "constant";
      outputPadding.show(state.output_padding ? shortest(state.output_padding) : "");
      outputPadding.element.hidden = !state.transposed;
      inChannels.show(state.in_channels);
      outChannels.show(state.out_channels);
      groups.show(state.groups);
      wiring.show(scene.channels);
      reset.disabled = state.input_edits.length + state.kernel_edits.length === 0;
    },
  };
}

/** The pads as they are written by hand: for each axis of the layer, before and after. Of a transposed one, its cuts. */
function padsOf(scene, state) {
  return scene.facts.cuts ?? scene.pads.slice(-state.input_size.length);
}

/** The same layer along one axis, its width, or along two that are alike. */
function withRank(state, rank) {
  const sized = (numbers) => (rank === 1 ? String(numbers.at(-1)) : joined([numbers[0], numbers[0]]));
  const sides = typeof state.padding === "string" ? null : state.padding.at(-1);
  const named = rank === 2 && state.padding === "causal" ? "valid" : state.padding;
  return {
    input_size: sized(state.input_size),
    kernel_size: sized(state.kernel_size),
    strides: sized(state.strides),
    dilation_rate: sized(state.dilation_rate),
    padding: sides ? pairs(rank === 1 ? [sides] : [sides, sides]) : named,
    output_padding: "",
    input_edits: "",
    kernel_edits: "",
  };
}

// More channels than this are no longer worth drawing one by one.
const MOST_WIRED = 16;

/** Which input channels the output channel in the picture reads; a click puts others into the picture. */
function channelWiring({ change }) {
  const element = h("div", { class: "ex-wiring", role: "group", "aria-label": "Channels in the picture" });
  function row(words, count, shown, read, parameter) {
    const cells = Array.from({ length: count }, (_, c) =>
      h(
        "button",
        {
          type: "button",
          "aria-pressed": String(c === shown),
          "data-read": String(read.includes(c)),
          "aria-label": `${words} channel ${c}`,
          disabled: parameter === "input_channel" && !read.includes(c),
          "data-channel": c,
          "data-parameter": parameter,
          onclick: () =>
            change(
              parameter === "input_channel"
                ? { input_channel: String(c) }
                : { output_channel: String(c), input_channel: "" },
            ),
        },
        c,
      ),
    );
    return h(
      "div",
      { class: "ex-wiring-row", "data-tone": words },
      h("span", { class: "ex-axis-name", "aria-hidden": "true" }, words),
      h("div", {}, cells),
    );
  }
  return {
    element,
    show({ inputs, outputs, shown_input, shown_output, read }) {
      element.hidden = inputs === 1 && outputs === 1;
      if (Math.max(inputs, outputs) > MOST_WIRED) {
        element.replaceChildren(
          h(
            "p",
            { class: "ex-note" },
            `The picture shows input channel ${shown_input} and output channel ${shown_output}, which sums over channels ${read[0]} to ${read.at(-1)}.`,
          ),
        );
        return;
      }
      const focused = document.activeElement?.dataset;
      const again = element.contains(document.activeElement)
        ? `[data-parameter="${focused.parameter}"][data-channel="${focused.channel}"]`
        : null;
      element.replaceChildren(
        row("input", inputs, shown_input, read, "input_channel"),
        row("output", outputs, shown_output, [shown_output], "output_channel"),
      );
      if (again) element.querySelector(again)?.focus();
    },
  };
}

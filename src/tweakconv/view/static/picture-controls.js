// The rail of the tab "On a picture": which picture, which kernel, and every tweak.

import { h, icon } from "./dom.js";
import { choice, dropDown, padsField, toggle, tweak } from "./controls.js";
import { thumbnail } from "./picture-screen.js";
import { joined, pairs, perAxis } from "./state.js";
import { valuesGrid } from "./values.js";

// Paddings that have a name, as they are called here; any other is written by hand.
const PADDINGS = { valid: "valid", same: "same", same_lower: "same lower", full: "full", hand: "by hand" };
const RANGES = {
  auto: "as the kernel asks",
  clip: "cut off",
  abs: "without sign",
  stretch: "stretched",
  midgrey: "0 is mid-grey",
};
const TYPED = "typed in";

/** Which picture: a sample, or a person's own. `after` is a promise to wait for with the pictures on the buttons. */
export function pictureChoice({ samples, change, send, after }) {
  const buttons = samples.map((sample) =>
    thumbnail({ ...sample, label: sample.name, after, onclick: () => change({ picture: sample.picture }) }),
  );
  const chooser = h("input", {
    type: "file",
    accept: "image/png,image/jpeg",
    class: "ex-hidden",
    "aria-label": "Your own picture, PNG or JPEG",
    onchange: () => chooser.files.length && send(chooser.files[0]),
  });
  const told = h("p", { class: "ex-note", hidden: true });
  return {
    element: h(
      "div",
      { class: "ex-controls ex-roomy" },
      h("h2", { class: "ex-control-title" }, "Picture"),
      h("div", { class: "ex-thumbnails" }, buttons),
      h("label", { class: "ex-button ex-own" }, chooser, icon("image"), h("span", {}, "Your own picture")),
      told,
    ),
    show(picture) {
      for (const each of buttons) each.setAttribute("aria-pressed", String(each.dataset.picture === picture));
    },
    /** Says what has become of a person's own picture; null says nothing. */
    tell(text) {
      told.hidden = text === null;
      told.textContent = text ?? "";
    },
  };
}

/** Which kernel: one of the library, or numbers, written as a text or cell by cell. */
export function kernelChoice({ kernels, change }) {
  const known = (text) => kernels.find(({ name }) => name === text.split(":")[0]);
  const presets = dropDown({
    label: "Kernel",
    options: [...kernels.map(({ name }) => [name, name]), [TYPED, TYPED]],
    onchange: (name) => name !== TYPED && change({ kernel: name }),
  });
  const summary = h("p", { class: "ex-note" });
  const text = h("textarea", {
    class: "ex-field",
    rows: 3,
    spellcheck: "false",
    "aria-describedby": "kernel-hint",
    oninput: () => change({ kernel: text.value.trim() }),
  });
  const weights = valuesGrid({
    label: "Weights of the kernel",
    tone: "kernel",
    onedit(row, column, value) {
      const rows = weights.rows().map((each) => [...each]);
      rows[row][column] = value === "" ? 0 : Number(value);
      text.value = rows.map((each) => each.join(" ")).join("\n");
      change({ kernel: text.value });
    },
  });
  const normalize = toggle({ label: "Divide by its sum", onchange: (on) => change({ normalize: on ? "1" : "" }) });
  const flip = toggle({ label: "Flip the kernel", onchange: (on) => change({ flip: on ? "1" : "" }) });
  return {
    element: h(
      "div",
      { class: "ex-controls ex-roomy" },
      presets.element,
      summary,
      h("label", { class: "ex-labelled" }, h("span", {}, "or write one: a name, or a row on each line"), text),
      h("p", { class: "ex-hidden", id: "kernel-hint" }, "Numbers apart by blanks, rows by lines or semicolons"),
      weights.element,
      h("div", {}, normalize.element, flip.element),
    ),
    show(now) {
      const asked = now("kernel");
      presets.show(known(asked)?.name ?? TYPED);
      // Not under the fingers of someone who types.
      if (document.activeElement !== text) text.value = known(asked) ? asked : asked.replaceAll(/\s*;\s*/g, "\n");
      normalize.show(now("normalize") === "1");
      flip.show(now("flip") === "1");
    },
    /** Shows the numbers that a text means. */
    tell(kernel, asked) {
      const preset = known(asked);
      const usage = preset && preset.usage !== preset.name ? `; also as ${preset.usage}` : "";
      const sum = Number(kernel.sum.toPrecision(6));
      summary.textContent = preset ? preset.summary + usage : `${kernel.rows} × ${kernel.columns}, its sum is ${sum}`;
      weights.show(kernel.weights);
    },
  };
}

/** Stride, dilation, padding, and how values become brightness. */
export function pictureTweaks({ about, change }) {
  const { limits } = about;
  let pads = null;
  const perAxisField = (name, label, most, slides) =>
    tweak({
      name,
      label,
      tone: "kernel",
      least: 1,
      most,
      slides,
      onchange: (values) => change({ [name]: joined(values) }),
    });
  const strides = perAxisField("strides", "Stride", limits.picture_strides, 16);
  const dilation = perAxisField("dilation_rate", "Dilation", limits.picture_dilation_rate, 32);
  const padding = choice({
    label: "Padding",
    even: true,
    options: Object.entries(PADDINGS),
    onchange: (name) => change({ padding: name !== "hand" ? name : pads ? pairs(pads) : "0" }),
  });
  const sides = padsField({
    least: -64,
    most: limits.picture_pad,
    words: "Padding",
    onchange: (chosen) => change({ padding: pairs(chosen) }),
  });
  const mode = dropDown({
    label: "What the padding holds",
    options: about.picture_padding_modes.map((name) => [name, name]),
    onchange: (name) => change({ padding_mode: name }),
  });
  const range = dropDown({
    label: "Values as brightness",
    options: Object.keys(about.ranges).map((name) => [name, RANGES[name] ?? name]),
    onchange: (name) => change({ value_range: name }),
  });
  const grey = toggle({ label: "In grey", onchange: (on) => change({ grey: on ? "1" : "" }) });
  return {
    elements: [
      h("div", { class: "ex-controls" }, strides.element, dilation.element),
      h(
        "div",
        { class: "ex-controls ex-roomy" },
        h("h2", { class: "ex-control-title" }, "Padding"),
        padding.element,
        sides.element,
        mode.element,
      ),
      h("div", { class: "ex-controls ex-roomy" }, range.element, grey.element),
    ],
    show(now) {
      strides.show(perAxis(now("strides"), 2));
      dilation.show(perAxis(now("dilation_rate"), 2));
      padding.show(now("padding") in PADDINGS ? now("padding") : "hand");
      mode.show(now("padding_mode"));
      range.show(now("value_range"));
      grey.show(now("grey") === "1");
    },
    /** Shows the pads of each side that a picture of some size has. */
    tell(told, size) {
      pads = told;
      sides.show(pads, size.join(" × "));
    },
  };
}

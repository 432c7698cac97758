// The controls that the tabs share: tweaks with a slider and a number for each axis, choices, pads, menus, switches.

import { button, freshId, h, icon, setAttribute } from "./dom.js";

/**
 * A whole number with buttons beside it. `commit(value)` is called with every whole number within the limits, as it
 * is typed or stepped; what lies outside is brought back when the field is left.
 */
export function numberField({ label, least, most, commit, side }) {
  const input = h("input", {
    type: "number",
    inputmode: "numeric",
    min: least,
    max: most,
    step: 1,
    "aria-label": label,
  });
  let shown = least;
  const within = (value) => Math.min(Math.max(Math.round(value), Number(input.min)), Number(input.max));
  const give = (value) => {
    shown = value;
    input.value = value;
    commit(value);
  };
  input.addEventListener("input", () => {
    const value = input.valueAsNumber;
    if (Number.isInteger(value) && value === within(value)) {
      shown = value;
      commit(value);
    }
  });
  input.addEventListener("change", () => {
    const value = Number.isFinite(input.valueAsNumber) ? within(input.valueAsNumber) : shown;
    if (value !== shown) give(value);
    input.value = shown;
  });
  // The arrow keys do the same in the field itself, so that the buttons need be no stops on the way of the Tab key.
  const stepper = (by, name) =>
    h(
      "button",
      { type: "button", tabindex: -1, "aria-hidden": "true", onclick: () => give(within(shown + by)) },
      icon(name),
    );
  return {
    element: h("div", { class: "ex-number", "data-side": side }, stepper(-1, "minus"), input, stepper(1, "plus")),
    input,
    show(value) {
      shown = value;
      if (document.activeElement !== input || input.valueAsNumber !== value) input.value = value;
    },
    limit(lowest, highest) {
      input.min = lowest;
      input.max = highest;
    },
  };
}

/** A slider whose track is filled up to its thumb. */
export function slider({ label, least, most, tone, oninput }) {
  const input = h("input", { type: "range", class: "ex-slider", min: least, max: most, step: 1, "aria-label": label });
  const paint = () => {
    const span = Number(input.max) - Number(input.min);
    input.style.setProperty("--fill", `${span ? (100 * (Number(input.value) - Number(input.min))) / span : 0}%`);
  };
  if (tone) input.style.setProperty("--tone", `var(--${tone})`);
  input.addEventListener("input", () => {
    paint();
    oninput(Number(input.value));
  });
  return {
    element: input,
    show(value, highest = Number(input.max)) {
      input.max = highest;
      input.value = value;
      paint();
    },
  };
}

/**
 * A tweak of every axis: linked, one slider moves them all; apart, each has its own.
 *
 * `show(values)` takes one number for each axis of the layer, one or two.
 */
export function tweak({ name, label, tone, least, most, slides = most, axes = ["height", "width"], onchange }) {
  let values = axes.map(() => least);
  let linked = true;
  const id = freshId(name);
  const rows = axes.map((axis, a) => {
    const commit = (value) => {
      values = linked ? values.map(() => value) : values.with(a, value);
      paint();
      onchange(values);
    };
    const range = slider({ label: `${label}, ${axis}`, least, most: slides, oninput: commit });
    const number = numberField({ label: `${label}, ${axis}, number`, least, most, commit });
    const axisName = h("span", { class: "ex-axis-name", "aria-hidden": "true" }, axis);
    return {
      axis,
      range,
      number,
      axisName,
      element: h("div", { class: "ex-tweak-axis", "data-axis": axis }, axisName, range.element, number.element),
    };
  });
  const link = button({
    label: `Same ${label.toLowerCase()} for height and width`,
    iconName: "linked",
    shown: false,
    class: "ex-button ex-quiet",
    onclick: () => {
      linked = !linked;
      if (linked && values.some((value) => value !== values[0])) {
        values = values.map(() => values[0]);
        onchange(values);
      }
      paint();
    },
  });
  function paint() {
    const apart = values.length > 1 && !linked;
    rows.forEach((row, a) => {
      row.element.hidden = a > 0 && !apart;
      row.axisName.hidden = !apart;
      const spoken = apart || a > 0 ? `${label}, ${row.axis}` : label;
      row.range.element.setAttribute("aria-label", spoken);
      row.number.input.setAttribute("aria-label", `${spoken}, as a number`);
      if (a < values.length) {
        row.range.show(Math.min(values[a], slides));
        row.number.show(values[a]);
      }
    });
    link.hidden = values.length < 2;
    setAttribute(link, "aria-pressed", String(linked));
    link.replaceChildren(icon(linked ? "linked" : "unlinked"));
  }
  paint();
  return {
    element: h(
      "div",
      { class: "ex-tweak", role: "group", "aria-labelledby": id, "data-name": name, "data-tone": tone },
      h("div", { class: "ex-tweak-name" }, h("span", { id }, label), link),
      rows.map((row) => row.element),
    ),
    show(newValues) {
      values = [...newValues];
      if (values.some((value) => value !== values[0])) linked = false;
      paint();
    },
  };
}

/** A few words of which one holds; `options` are [value, words] and may carry a title. */
export function choice({
  label,
  options,
  onchange,
  joined = false,
  even = false,
  hiddenLabel = true,
  name = freshId("choice"),
}) {
  const inputs = new Map();
  const labels = options.map(([value, words, title]) => {
    const input = h("input", { type: "radio", name, value, onchange: () => onchange(value) });
    inputs.set(value, input);
    return h("label", { title }, input, h("span", {}, words));
  });
  const legend = h("legend", { class: hiddenLabel ? "ex-hidden" : "ex-eyebrow" }, label);
  return {
    element: h(
      "fieldset",
      { class: "ex-choices" },
      legend,
      h("div", { class: `ex-choice${joined ? " ex-joined" : ""}${even ? " ex-even" : ""}` }, labels),
    ),
    show(value) {
      for (const [each, input] of inputs) input.checked = each === value;
    },
    /** Leaves in sight only the options of a list. */
    offer(values) {
      for (const [each, input] of inputs) input.parentElement.hidden = !values.includes(each);
    },
  };
}

/** A list to choose from; `options` are [value, words]. */
export function dropDown({ label, options, onchange, shown = true, ...attributes }) {
  const id = freshId("list");
  const select = h(
    "select",
    {
      class: "ex-field",
      id,
      onchange: () => onchange(select.value),
      "aria-label": shown ? null : label,
      ...attributes,
    },
    options.map(([value, words]) => h("option", { value }, words)),
  );
  return {
    element: shown ? h("div", { class: "ex-labelled" }, h("label", { for: id }, label), select) : select,
    /** Shows a value; one that is not in the list, from an address, joins it. */
    show(value) {
      if (![...select.options].some((option) => option.value === value)) select.append(h("option", { value }, value));
      select.value = value;
    },
    /** Leaves only the options of a list; with one left there is nothing to choose. */
    offer(values) {
      for (const option of select.options) option.hidden = option.disabled = !values.includes(option.value);
      select.disabled = values.length < 2;
    },
  };
}

/** On or off. */
export function toggle({ label, onchange, ...attributes }) {
  const input = h("input", {
    type: "checkbox",
    role: "switch",
    onchange: () => onchange(input.checked),
    ...attributes,
  });
  return {
    element: h("label", { class: "ex-switch" }, input, h("span", {}, label)),
    show(value) {
      input.checked = value;
    },
  };
}

const SIDES = [
  ["top", 0, 0],
  ["bottom", 0, 1],
  ["left", 1, 0],
  ["right", 1, 1],
];

/** The pads of every side, each a number around the picture they surround; a single axis has left and right only. */
export function padsField({ least, most, words, onchange }) {
  let pads = [
    [0, 0],
    [0, 0],
  ];
  const middle = h("div", { class: "ex-pads-middle", "aria-hidden": "true" });
  const numbers = SIDES.map(([side, axis, end]) => {
    const commit = (value) => {
      const a = pads.length === 1 ? 0 : axis;
      pads = pads.with(a, pads[a].with(end, value));
      onchange(pads);
    };
    return { side, axis, end, ...numberField({ label: `${words}, ${side}`, least, most, commit, side }) };
  });
  const element = h(
    "div",
    { class: "ex-pads", role: "group", "aria-label": `${words} of each side` },
    numbers.map((number) => number.element),
    middle,
  );
  return {
    element,
    show(newPads, size, spoken = words) {
      pads = newPads;
      element.dataset.line = String(pads.length === 1);
      middle.textContent = size;
      setAttribute(element, "aria-label", `${spoken} of each side`);
      for (const { side, axis, end, input, show } of numbers) {
        if (pads.length === 1 && axis === 0) continue;
        input.setAttribute("aria-label", `${spoken}, ${side}`);
        show(pads[pads.length === 1 ? 0 : axis][end]);
      }
    },
  };
}

/** A button that opens a short list of links; Escape and a click elsewhere close it. */
export function menu({ label, iconName, items }) {
  const list = h(
    "ul",
    { id: freshId("menu"), hidden: true },
    items.map((item) => h("li", {}, item)),
  );
  const opener = button({
    label,
    iconName,
    "aria-label": label,
    "aria-expanded": "false",
    "aria-controls": list.id,
    onclick: () => open(list.hidden),
  });
  const element = h("div", { class: "ex-menu" }, opener, list);
  function open(wanted) {
    list.hidden = !wanted;
    opener.setAttribute("aria-expanded", String(wanted));
  }
  element.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !list.hidden) {
      event.stopPropagation();
      open(false);
      opener.focus();
    }
  });
  element.addEventListener("focusout", (event) => {
    if (!element.contains(event.relatedTarget)) open(false);
  });
  list.addEventListener("click", (event) => {
    if (event.target.closest("a")) open(false);
  });
  return element;
}

/** A problem in words, as the server told it. */
export function problem(text) {
  return h("div", { class: "ex-problem", role: "alert" }, icon("warning"), h("p", {}, text));
}

/** Things worth knowing, as the entries of a list. */
export function remarks(texts) {
  return texts.map((text) => h("li", {}, text));
}

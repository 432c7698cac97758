// What the tabs say in the same words and the same way: cards, sizes, formulas, numbers.

import { fill, h } from "./dom.js";

/** A titled card. */
export function card(title, ...content) {
  return h(
    "section",
    { class: "ex-card" },
    h("header", {}, h("h2", { class: "ex-title" }, title)),
    h("div", { class: "ex-body" }, content),
  );
}

/** What goes in and what comes out, in a line. */
export function sizesLine() {
  const element = h("p", { class: "ex-sizes-main", "data-role": "sizes" });
  const plane = (tone, size) => h("span", { class: `ex-of-${tone}` }, size.join(" × "));
  return {
    element,
    /** Shows the size before, and the one after where there is one. */
    show(before, after) {
      const arrow = h("span", { class: "ex-arrow", "aria-hidden": "true" }, "→");
      const becomes = h("span", { class: "ex-hidden" }, " becomes ");
      fill(element, plane("input", before), after && [arrow, becomes, plane("output", after)]);
    },
  };
}

/** The formula of each axis; the last number of each, the size, stands out. */
export function formulaLines() {
  const element = h("div", { class: "ex-formulas" });
  const line = (text) => {
    const end = text.lastIndexOf("=") + 1;
    return h("p", { class: "ex-math" }, text.slice(0, end), h("strong", {}, text.slice(end)));
  };
  return {
    element,
    /** Shows [axis, formula] entries. */
    show(entries) {
      fill(
        element,
        entries.map(([axis, text]) =>
          h("div", { class: "ex-formula", "data-axis": axis }, h("h3", { class: "ex-eyebrow" }, axis), line(text)),
        ),
      );
    },
  };
}

/** Numbers with their names, and a word on each for those who point at it. */
export function factsList() {
  const element = h("dl", { class: "ex-facts" });
  return {
    element,
    /** Shows [name, value, word] entries. */
    show(entries) {
      fill(
        element,
        entries.map(([name, value, word]) => h("div", { title: word }, h("dt", {}, name), h("dd", {}, value))),
      );
    },
  };
}

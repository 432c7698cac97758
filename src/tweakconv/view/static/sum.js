// The sum behind one output, in words and numbers: looked up in the scene, never worked out.

import { h } from "./dom.js";
import { expression, outputAt, showNumber } from "./player.js";

/** What a step is called: its output, and where there are two axes its row and column. */
export function nameOf(scene, step) {
  const [oy, ox] = outputAt(scene, step);
  return scene.rank === 1 ? `output ${ox}` : `output row ${oy}, column ${ox}`;
}

// A sum of more products than this is not read out.
const MOST_SPOKEN = 9;

/** A step for those who listen: which output, its value, and the products it is made of where they are few. */
export function spoken(scene, step) {
  const { terms, total } = expression(scene, step);
  const products = terms.map(({ value, weight }) => `${showNumber(value)} times ${showNumber(weight)}`);
  const sum = terms.length > 0 && terms.length <= MOST_SPOKEN ? `: ${products.join(" plus ")}` : "";
  return `${nameOf(scene, step)} is ${showNumber(total)}${sum}`;
}

/** The panel with the sum written out, a line for each row of the kernel. */
export function sumPanel() {
  const where = h("p", { class: "ex-note" });
  const lines = h("div", {
    class: "ex-sum-lines",
    tabindex: 0,
    role: "group",
    "aria-label": "Sum, product by product",
  });
  const result = h("p", { class: "ex-sum-result" });

  return {
    element: h("div", { class: "ex-sum" }, where, lines, result),
    show(scene, step) {
      const { terms, share, total, others } = expression(scene, step);
      where.textContent = reads(scene, step, terms);
      const rows = Map.groupBy(terms, (term) => term.ky);
      lines.replaceChildren(
        ...[...rows.values()].map((row, at) =>
          h("div", {}, row.map((term, c) => product(scene, term, at + c > 0)).flat()),
        ),
      );
      const rest = others
        ? [
            `${showNumber(share)}, and ${factor(total - share)} from ${others} other ${others === 1 ? "channel" : "channels"}: `,
          ]
        : [];
      result.replaceChildren("= ", ...rest, h("strong", { class: "ex-result" }, showNumber(total)));
    },
  };
}

/** How many values an output reads, and how many of them stand in the padding. */
function reads(scene, step, terms) {
  const name = nameOf(scene, step);
  const outside = terms.filter((term) => !isPixel(scene, term)).length;
  const values = `${terms.length} ${terms.length === 1 ? "value" : "values"}`;
  return `${name[0].toUpperCase()}${name.slice(1)} reads ${values}${outside ? `, ${outside} of them in the padding` : ""}.`;
}

function product(scene, term, follows) {
  const inside = isPixel(scene, term);
  return [
    follows ? " + " : "",
    h(
      "span",
      { class: `ex-product${inside ? "" : " ex-in-pad"}`, title: inside ? null : "stands in the padding" },
      h("span", { class: "ex-of-input" }, showNumber(term.value)),
      "·",
      h("span", { class: "ex-of-kernel" }, factor(term.weight)),
    ),
  ];
}

function isPixel(scene, { row, col }) {
  return scene.rows.kinds[row] === "input" && scene.cols.kinds[col] === "input";
}

function factor(value) {
  const text = showNumber(value);
  return text.startsWith("−") ? `(${text})` : text;
}

// The ways to answer an exercise: numbers, a choice, cells of a grid, or a line of code.

import { freshId, h } from "./dom.js";

const FORMS = { numbers, choice: options, cells, line: lines };

/** The form for an answer; `value()` is what the server takes, undefined while there is none. */
export function answerForm(asked) {
  return FORMS[asked.form](asked);
}

function numbers({ fields }) {
  const inputs = fields.map(({ name, label, least, most }) => ({
    name,
    label,
    input: h("input", {
      class: "ex-field ex-short",
      type: "number",
      step: 1,
      inputmode: "numeric",
      min: least,
      max: most,
      name,
      autocomplete: "off",
    }),
  }));
  return {
    element: h(
      "div",
      { class: "ex-answer-numbers" },
      inputs.map(({ label, input }) => h("label", { class: "ex-labelled" }, h("span", {}, label), input)),
    ),
    value() {
      if (inputs.some(({ input }) => input.value === "")) return undefined;
      return Object.fromEntries(inputs.map(({ name, input }) => [name, input.valueAsNumber]));
    },
  };
}

function options({ options: offered, several }) {
  const name = freshId("answer");
  const inputs = offered.map(({ value, label, code }) => ({
    input: h("input", { type: several ? "checkbox" : "radio", name, value }),
    words: h(code ? "code" : "span", {}, label),
  }));
  return {
    element: h(
      "fieldset",
      {},
      h("legend", { class: "ex-note" }, several ? "Every one that is right:" : "Which one?"),
      h(
        "div",
        { class: "ex-options" },
        inputs.map(({ input, words }) => h("label", { class: "ex-option" }, input, words)),
      ),
    ),
    value() {
      const chosen = inputs.filter(({ input }) => input.checked).map(({ input }) => input.value);
      return several ? chosen : chosen[0];
    },
  };
}

/** Cells by the pattern of a grid: one stop for the Tab key, arrows move, the space bar chooses. */
function cells({ rows, columns, label, least = 0 }) {
  let at = [0, 0];
  const grid = Array.from({ length: rows }, (_, r) =>
    Array.from({ length: columns }, (_, c) =>
      h("td", {
        role: "gridcell",
        "aria-selected": "false",
        tabindex: r === 0 && c === 0 ? 0 : -1,
        "data-row": r + least,
        "data-column": c + least,
        "aria-label": `row ${r + least}, column ${c + least}`,
      }),
    ),
  );
  const element = h(
    "div",
    { class: "ex-answer-cells" },
    h(
      "p",
      { class: "ex-note" },
      `Choose ${label}: click, or arrow keys and the space bar. Rows and columns count from ${least}.`,
    ),
    h(
      "table",
      { role: "grid", "aria-multiselectable": "true", "aria-label": label },
      h(
        "thead",
        { role: "rowgroup" },
        h(
          "tr",
          { role: "row" },
          h("td", { role: "presentation" }),
          grid[0].map((_, c) => h("th", { role: "columnheader", scope: "col" }, c + least)),
        ),
      ),
      h(
        "tbody",
        { role: "rowgroup" },
        grid.map((row, r) => h("tr", { role: "row" }, h("th", { role: "rowheader", scope: "row" }, r + least), row)),
      ),
    ),
  );

  function choose(cell) {
    cell.setAttribute("aria-selected", String(cell.getAttribute("aria-selected") !== "true"));
  }
  function rove(row, column) {
    if (!grid[row]?.[column]) return;
    grid[at[0]][at[1]].tabIndex = -1;
    at = [row, column];
    grid[row][column].tabIndex = 0;
    grid[row][column].focus();
  }
  element.addEventListener("click", (event) => {
    const cell = event.target.closest('[role="gridcell"]');
    if (!cell) return;
    choose(cell);
    rove(Number(cell.dataset.row) - least, Number(cell.dataset.column) - least);
  });
  element.addEventListener("keydown", (event) => {
    const [row, column] = at;
    const moves = {
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
      Home: [row, 0],
      End: [row, columns - 1],
    };
    if (event.key in moves) rove(...moves[event.key]);
    else if (event.key === " ") choose(grid[row][column]);
    else return;
    event.preventDefault();
  });
  return {
    element,
    value: () =>
      grid
        .flat()
        .filter((cell) => cell.getAttribute("aria-selected") === "true")
        .map((cell) => [Number(cell.dataset.row), Number(cell.dataset.column)]),
  };
}

function lines({ lines: written, first }) {
  const name = freshId("line");
  const inputs = written.map((line, at) => ({ line, input: h("input", { type: "radio", name, value: at + first }) }));
  return {
    element: h(
      "fieldset",
      {},
      h("legend", { class: "ex-note" }, "Which line?"),
      h(
        "div",
        { class: "ex-answer-lines" },
        inputs.map(({ line, input }) =>
          h("label", {}, input, h("span", { "aria-hidden": "true" }, input.value), h("code", {}, line)),
        ),
      ),
    ),
    value() {
      const chosen = inputs.find(({ input }) => input.checked);
      return chosen && Number(chosen.input.value);
    },
  };
}

// Values in rows and columns that can be edited, by the pattern of a grid: arrows move, typing replaces.

import { h } from "./dom.js";
import { showNumber } from "./player.js";

/**
 * A grid of numbers. `show(values, edited)` takes rows of numbers and the set of cells, "row.column", that were
 * edited; `onedit(row, column, text)` is called with what was typed, where it is a number or empty.
 */
export function valuesGrid({ label, tone, onedit }) {
  const table = h("table", { role: "grid", "aria-label": label });
  const element = h("div", { class: "ex-values", "data-tone": tone }, table);
  let cells = [];
  let at = [0, 0];
  let given = [];

  function cellAt(row, column) {
    return cells[row]?.[column];
  }

  function roveTo(row, column, focus = true) {
    const target = cellAt(row, column);
    if (!target) return;
    cellAt(...at)?.setAttribute("tabindex", "-1");
    at = [row, column];
    target.setAttribute("tabindex", "0");
    if (focus) target.focus();
  }

  function edit(cell, text) {
    const [row, column] = [Number(cell.dataset.row), Number(cell.dataset.column)];
    const [before, shown] = [cell.dataset.value, cell.textContent];
    const input = h("input", {
      inputmode: "decimal",
      "aria-label": `${label}, row ${row}, column ${column}`,
      ".value": text ?? before,
    });
    let open = true;
    const close = (keep, then) => {
      if (!open) return;
      open = false;
      const typed = input.value.trim();
      cell.textContent = shown;
      if (keep && typed !== before && isNumber(typed)) onedit(row, column, typed);
      then?.();
    };
    input.addEventListener("keydown", (event) => {
      const moves = { Enter: [1, 0], Tab: [0, event.shiftKey ? -1 : 1], Escape: [0, 0] };
      if (!(event.key in moves)) return;
      event.preventDefault();
      event.stopPropagation();
      const [down, right] = moves[event.key];
      close(event.key !== "Escape", () =>
        roveTo(...(cellAt(row + down, column + right) ? [row + down, column + right] : [row, column])),
      );
    });
    input.addEventListener("blur", () => close(true));
    cell.replaceChildren(input);
    input.focus();
    if (text === undefined) input.select();
  }

  table.addEventListener("keydown", (event) => {
    const cell = event.target.closest("td[data-row]");
    if (!cell || event.target !== cell) return;
    const [row, column] = at;
    const last = cells[0].length - 1;
    const moves = {
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
      Home: [row, 0],
      End: [row, last],
    };
    if (event.key in moves) roveTo(...moves[event.key]);
    else if (event.key === "Enter" || event.key === "F2") edit(cell);
    else if (event.key === "Delete" || event.key === "Backspace") onedit(row, column, "");
    else if (/^[-+.\d]$/.test(event.key) && !event.ctrlKey && !event.metaKey && !event.altKey) edit(cell, event.key);
    else return;
    event.preventDefault();
  });
  table.addEventListener("click", (event) => {
    const cell = event.target.closest("td[data-row]");
    if (cell && event.target === cell) edit(cell);
  });
  table.addEventListener("focusin", (event) => {
    const cell = event.target.closest("td[data-row]");
    if (cell) roveTo(Number(cell.dataset.row), Number(cell.dataset.column), false);
  });

  function build(rows, columns) {
    const header = h(
      "tr",
      { role: "row" },
      h("td", { role: "presentation" }),
      Array.from({ length: columns }, (_, c) => h("th", { role: "columnheader", scope: "col" }, c)),
    );
    cells = Array.from({ length: rows }, (_, r) =>
      Array.from({ length: columns }, (_, c) =>
        h("td", { role: "gridcell", tabindex: -1, "data-row": r, "data-column": c }),
      ),
    );
    const body = cells.map((row, r) => h("tr", { role: "row" }, h("th", { role: "rowheader", scope: "row" }, r), row));
    table.replaceChildren(h("thead", { role: "rowgroup" }, header), h("tbody", { role: "rowgroup" }, body));
    at = [0, 0];
    cellAt(0, 0).setAttribute("tabindex", "0");
  }

  return {
    element,
    /** The numbers as they were given. */
    rows: () => given,
    show(values, edited = new Set()) {
      given = values;
      if (cells.length !== values.length || cells[0]?.length !== values[0].length)
        build(values.length, values[0].length);
      values.forEach((row, r) =>
        row.forEach((value, c) => {
          const cell = cells[r][c];
          const text = showNumber(value);
          cell.dataset.edited = String(edited.has(`${r}.${c}`));
          cell.dataset.value = value;
          if (!cell.firstElementChild && cell.textContent !== text) cell.textContent = text;
        }),
      );
    },
  };
}

/** Whether a text is a number, or nothing: an empty cell takes back its own value. */
export function isNumber(text) {
  return text === "" || /^[-+]?(\d+(\.\d*)?|\.\d+)$/.test(text);
}

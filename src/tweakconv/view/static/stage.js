// The drawing on the page: it is put in as it comes, played, pointed at, walked through and edited.

import { drawn, dress, h, setAttribute } from "./dom.js";
import { outputAt, play } from "./player.js";
import { spoken } from "./sum.js";
import { isNumber } from "./values.js";

/**
 * The stage. `onhover(step or null)` and `onchoose(step)` tell which output is pointed at and clicked, `onkey(key)`
 * takes a key and says whether it used it, `onvalue(part, row, column, text)` what was typed into a cell (null: none
 * is edited); `theme()` is "auto", "light" or "dark".
 */
export function drawingStage({ theme, onhover, onchoose, onkey, onvalue }) {
  const element = h("div", { class: "ex-drawing" });
  let svg = null;
  let player = null;
  let scene = null;
  let current = null;
  let editor = null;

  const stepOf = (cell) => player.stepOf(Number(cell.dataset.row), Number(cell.dataset.col));
  const outputOf = (target) => target.closest?.('[data-part="output"]');

  element.addEventListener("pointerover", (event) => {
    const cell = event.pointerType === "mouse" && outputOf(event.target);
    if (cell) onhover(stepOf(cell));
  });
  element.addEventListener("pointerout", (event) => {
    if (event.pointerType === "mouse" && outputOf(event.target) && !outputOf(event.relatedTarget ?? element))
      onhover(null);
  });
  element.addEventListener("click", (event) => {
    const cell = event.target.closest("[data-part]");
    if (!cell) return;
    if (cell.dataset.part === "output") onchoose(stepOf(cell));
    else if (onvalue === null) return;
    else if (cell.dataset.part === "input") editInput(cell);
    else if (cell.dataset.part === "weight")
      edit(cell, "kernel", Number(cell.dataset.row), Number(cell.dataset.col), scene.kernel);
  });
  element.addEventListener("keydown", (event) => {
    if (event.target !== current || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" || event.key === " ") onchoose(stepOf(current));
    else if (!onkey(event.key)) return;
    event.preventDefault();
  });

  function editInput(cell) {
    const row = scene.rows.pixels[Number(cell.dataset.row)];
    const column = scene.cols.pixels[Number(cell.dataset.col)];
    edit(cell, "input", row, column, scene.input);
  }

  function edit(cell, part, row, column, plane) {
    editor?.remove();
    const before = String(plane.values[row][column]);
    const [frame, box] = [element.getBoundingClientRect(), cell.getBoundingClientRect()];
    const input = h("input", {
      class: "ex-field ex-cell-editor",
      inputmode: "decimal",
      "aria-label": `${part} row ${row}, column ${column}`,
      ".value": before,
    });
    let open = true;
    const close = (keep) => {
      if (!open) return;
      open = false;
      const typed = input.value.trim();
      input.remove();
      if (keep && typed !== before && isNumber(typed)) onvalue(part, row, column, typed);
    };
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== "Escape") return;
      event.preventDefault();
      event.stopPropagation();
      close(event.key === "Enter");
    });
    input.addEventListener("blur", () => close(true));
    input.style.left = `${box.x + box.width / 2 - frame.x}px`;
    input.style.top = `${box.y + box.height / 2 - frame.y}px`;
    editor = input;
    element.append(input);
    input.focus();
    input.select();
  }

  return {
    element,
    /** Puts in a drawing, and gives it back the focus that the one before it had. */
    show(text, newScene) {
      const focused = current !== null && document.activeElement === current;
      scene = newScene;
      svg?.remove();
      svg = drawn(text, theme());
      // As a picture it could hold nothing to focus; as a group its outputs are buttons.
      setAttribute(svg, "role", "group");
      setAttribute(svg, "aria-label", svg.querySelector("title")?.textContent || "Convolution");
      svg.querySelector("title")?.remove();
      for (const label of svg.querySelectorAll("text")) label.setAttribute("aria-hidden", "true");
      element.prepend(svg);
      player = play(svg, scene);
      current = null;
      this.at(0, scene, false);
      if (focused) this.focus();
    },
    /** Shows a step, whose output becomes the one that takes the focus. */
    at(step, ofScene, pinned) {
      player.show(step);
      const [row, col] = outputAt(ofScene, step);
      const cell = svg.querySelector(`[data-part="output"][data-row="${row}"][data-col="${col}"]`);
      const focused = current !== null && current !== cell && document.activeElement === current;
      if (current && current !== cell)
        for (const name of ["tabindex", "role", "aria-label", "aria-pressed"]) current.removeAttribute(name);
      current = cell;
      for (const [name, value] of [
        ["tabindex", 0],
        ["role", "button"],
        ["aria-label", spoken(ofScene, step)],
        ["aria-pressed", String(pinned)],
      ]) {
        setAttribute(cell, name, value);
      }
      if (focused) cell.focus({ preventScroll: true });
    },
    /** Light or dark, as the page is now. */
    repaint: () => svg && dress(svg, theme()),
    focus: () => current?.focus({ preventScroll: true }),
    wait: (waiting) => element.setAttribute("aria-busy", String(waiting)),
    problem(told) {
      element.querySelector(".ex-problem")?.remove();
      setAttribute(element, "data-stale", told ? "true" : null);
      if (told) element.append(told);
    },
    get svg() {
      return svg;
    },
  };
}

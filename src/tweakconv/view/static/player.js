// Plays a scene on its drawing: the twin of what `tweakconv.view.drawing` does when it draws one step.
//
// The drawing comes finished from Python. At each step this module looks up, in the scene's lists, which cells the
// window stands on, and sets classes, places and texts of elements that are already there. It computes no geometry:
// the one calculation is to put looked-up places through the matrices of the two tilted planes. The contract between
// drawing and player is written down in `tweakconv/view/drawing/__init__.py`.

const FITS = 0.75 / 0.62; // size of a number that fills a cell, times its letters, in cells
const MATRIX = /-?[\d.]+(?:e-?\d+)?/g;

/**
 * Take hold of a drawing.
 * @param {SVGSVGElement} svg  what `draw(scene)` gave, in a document
 * @param {object} scene       what `scene.as_json()` gave
 * @returns {{steps: number, step: number|null, show: (step: number|null) => void,
 *            stepOf: (row: number, col: number) => number, expression: (step: number) => object}}
 */
export function play(svg, scene) {
  const find = (selector) => [...svg.querySelectorAll(selector)];
  const cell = Number(svg.dataset.cell);
  const places = byPlace(find('[data-part="input"],[data-part="pad"],[data-part="gap"]'), scene.rows.kinds.length);
  const outputs = inOrder(find('[data-part="output"]'), scene);
  const numbers = inOrder(find('[data-part="output-value"]'), scene);
  const products = byPlace(find('[data-part="product-value"]'), scene.kernel.rows);
  const windows = find('[data-moves="window"]');
  const beams = find("[data-beam]");
  const sum = svg.querySelector('[data-text="sum"]');
  const planes = beams.length ? ["input", "output"].map((name) => matrixOf(svg, name)) : [];
  let shown = null;
  let read = [];

  function show(step) {
    if (step !== null && !(Number.isInteger(step) && step >= 0 && step < scene.steps)) {
      throw new RangeError(`step must be a whole number from 0 to ${scene.steps - 1}, or null, received ${step}`);
    }
    const at = step === null ? null : outputAt(scene, step);
    svg.classList.toggle("tc-rest", at === null);
    for (const element of read) element.classList.remove("tc-read");
    read = at === null ? [] : readAt(scene, at, places);
    for (const element of read) element.classList.add("tc-read");
    setStates(outputs, shown, step);
    setStates(numbers, shown, step);
    shown = step;
    const [oy, ox] = at ?? [0, 0];
    const left = scene.cols.starts[ox];
    const top = scene.rows.starts[oy];
    for (const element of windows) element.setAttribute("transform", `translate(${cell * left} ${cell * top})`);
    if (beams.length) {
      const foot = corners(planes[0], cell, top, left, scene.rows.span, scene.cols.span);
      const head = corners(planes[1], cell, oy, ox, 1, 1);
      for (const beam of beams) beam.setAttribute("points", side(foot, head, Number(beam.dataset.beam)));
    }
    const found = at === null ? null : expression(scene, step);
    if (products.length) setProducts(products, found, cell);
    if (sum) setLines(sum, found);
  }

  return {
    steps: scene.steps,
    get step() {
      return shown;
    },
    show,
    stepOf: (row, col) => row * scene.output.cols + col,
    expression: (step) => expression(scene, step),
  };
}

/** The output that a step computes, as [row, column]. */
export function outputAt(scene, step) {
  return [Math.floor(step / scene.output.cols), step % scene.output.cols];
}

/** The sum behind a step: its terms, its parts as text, and the whole as text; see `expression.py`. */
export function expression(scene, step) {
  const [oy, ox] = outputAt(scene, step);
  const terms = [];
  scene.row_taps[oy].forEach((row, ky) => {
    scene.col_taps[ox].forEach((col, kx) => {
      const value = valueAt(scene, row, col);
      if (value === null) return;
      const weight = scene.kernel.values[ky][kx];
      terms.push({ ky, kx, row, col, value, weight, product: value * weight });
    });
  });
  const share = scene.share.values[oy][ox];
  const total = scene.output.values[oy][ox];
  const others = scene.channels.read.length - 1;
  const written = terms.map(({ value, weight }) => `${showNumber(value)}·${factor(weight)}`);
  const closing = [`= ${showNumber(share)}`];
  if (others) {
    const whose = others === 1 ? "1 other channel" : `${others} other channels`;
    closing.push(`with ${whose}: ${showNumber(share)} + ${factor(total - share)} = ${showNumber(total)}`);
  }
  const parts = [...summed(written), ...closing];
  return { row: oy, col: ox, terms, share, total, others, written, closing, parts, text: parts.join(" ") };
}

/** The number read at a position of the padded canvas; null where nothing is multiplied. */
export function valueAt(scene, row, col) {
  const y = scene.rows.sources[row];
  const x = scene.cols.sources[col];
  if (y !== null && x !== null) return scene.input.values[y][x];
  return scene.transposed ? null : scene.pad_value;
}

/** A number as a cell shows it: at most three decimals, halves away from zero, and a minus sign. */
export function showNumber(value) {
  const text = value.toFixed(3).replace(/\.?0+$/, "");
  return text === "-0" ? "0" : text.replace("-", "−");
}

function factor(value) {
  const text = showNumber(value);
  return text.startsWith("−") ? `(${text})` : text;
}

function summed(written) {
  return written.length ? written.map((term, index) => (index ? `+ ${term}` : term)) : ["nothing"];
}

/** Elements by their place: result[row][col]. */
function byPlace(elements, rows) {
  if (!elements.length) return [];
  const places = Array.from({ length: rows }, () => []);
  for (const element of elements) places[element.dataset.row][element.dataset.col] = element;
  return places;
}

/** The elements of outputs in reading order. */
function inOrder(elements, scene) {
  const ordered = [];
  for (const element of elements) {
    ordered[Number(element.dataset.row) * scene.output.cols + Number(element.dataset.col)] = element;
  }
  return ordered;
}

function readAt(scene, [oy, ox], places) {
  return scene.row_taps[oy].flatMap((row) => scene.col_taps[ox].map((col) => places[row][col]));
}

/** Outputs before the step are done, that of the step is current, the rest are to do; without a step all are done.
 *  Only those between the step shown before and this one change. */
function setStates(elements, before, step) {
  const was = before ?? elements.length;
  const is = step ?? elements.length;
  for (let index = Math.min(was, is); index <= Math.max(was, is) && index < elements.length; index++) {
    const { classList } = elements[index];
    classList.toggle("tc-done", index < is);
    classList.toggle("tc-current", index === is);
    classList.toggle("tc-todo", index > is);
  }
}

function setProducts(products, found, cell) {
  for (const row of products) for (const element of row) write(element, "", cell);
  for (const { ky, kx, product } of found?.terms ?? []) write(products[ky][kx], showNumber(product), cell);
}

/** A number in its cell, smaller than the others where it is long; `letter_size` in `cells.py` does the same. */
function write(element, text, cell) {
  element.textContent = text;
  const most = Number(element.parentNode.getAttribute("font-size"));
  const size = text ? (FITS * cell) / text.length : most;
  if (size < most) element.setAttribute("font-size", Number(size.toFixed(2)));
  else element.removeAttribute("font-size");
}

/** The sum, broken into the lines that the drawing has for it; `expression_lines` in `flat.py` does the same. */
function setLines(sum, found) {
  const lines = found === null ? [] : broken(shortened(found, Number(sum.dataset.terms)), Number(sum.dataset.fits));
  [...sum.children].forEach((element, index) => {
    element.textContent = lines[index] ?? "";
  });
}

function shortened({ written, closing }, most) {
  if (written.length <= most) return [...summed(written), ...closing];
  const first = Math.ceil(most / 2);
  const last = most - first;
  const left = `… ${written.length - most} more …`;
  return [...summed([...written.slice(0, first), left, ...written.slice(written.length - last)]), ...closing];
}

function broken(parts, fits) {
  const lines = [""];
  for (const part of parts) {
    const line = lines.at(-1);
    if (line && line.length + 1 + part.length > fits) lines.push(part);
    else lines[lines.length - 1] = line ? `${line} ${part}` : part;
  }
  return lines;
}

function matrixOf(svg, plane) {
  return svg.querySelector(`[data-plane="${plane}"]`).getAttribute("transform").match(MATRIX).map(Number);
}

/** The corners of a box of cells on a plane, as they appear in the drawing, clockwise from the first. */
function corners([a, b, c, d, e, f], cell, top, left, rows, cols) {
  const at = (row, col) => [a * col * cell + c * row * cell + e, b * col * cell + d * row * cell + f];
  return [at(top, left), at(top, left + cols), at(top + rows, left + cols), at(top + rows, left)];
}

/** One side of the light, from the window to the output cell: 0 and 1 lie behind, 2 and 3 in front. */
function side(foot, head, index) {
  const [from, to] = [[0, 1], [3, 0], [1, 2], [2, 3]][index];
  return [foot[from], foot[to], head[to], head[from]].map(([x, y]) => `${x.toFixed(2)},${y.toFixed(2)}`).join(" ");
}

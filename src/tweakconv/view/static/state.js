// The state of a tab: the parameters of its address, as text, and how their numbers are written there.

/** The numbers of "5x7" or "3", repeated for `rank` axes where there is only one. */
export function perAxis(text, rank) {
  const numbers = text.split("x").map(Number);
  return numbers.length === 1 ? Array(rank).fill(numbers[0]) : numbers;
}

/** [5, 7] as "5x7"; a single axis keeps a single number. */
export function joined(numbers) {
  return numbers.join("x");
}

/** [2, 2] as "2", and [2, 1] as "2x1". */
export function shortest(numbers) {
  return numbers.every((number) => number === numbers[0]) ? String(numbers[0]) : joined(numbers);
}

/** [[1, 2], [0, 3]] as "1:2,0:3". */
export function pairs(sides) {
  return sides.map(([before, after]) => `${before}:${after}`).join(",");
}

/** The edits of "0.3:7,2.1:-4", as a map from "0.3" to "7". */
export function readEdits(text) {
  return new Map(text ? text.split(",").map((edit) => edit.split(":")) : []);
}

/** Such a map as text again. */
export function writeEdits(edits) {
  return [...edits].map(([cell, value]) => `${cell}:${value}`).join(",");
}

/** Parameters without the edits of cells that a smaller input or kernel than that of a state no longer has. */
export function withoutLostEdits(wanted, state) {
  const sizes = wanted.input_size?.split("x").map(Number) ?? state.input_size;
  const rank = sizes.length;
  const taps = wanted.kernel_size ? perAxis(wanted.kernel_size, rank) : state.kernel_size;
  const kept = { ...wanted };
  for (const [name, size] of Object.entries({ input_edits: sizes, kernel_edits: taps })) {
    if (!kept[name]) continue;
    // A single axis is drawn as one row.
    const [rows, columns] = rank === 1 ? [1, size[0]] : size;
    const edits = [...readEdits(kept[name])].filter(([cell]) => {
      const [row, column] = cell.split(".").map(Number);
      return row < rows && column < columns;
    });
    kept[name] = writeEdits(edits);
  }
  return kept;
}

/** The number that a text writes in digits; null where it does not. */
export function wholeNumber(text) {
  return /^\d{1,9}$/.test(text ?? "") ? Number(text) : null;
}

/** The parameters of a tab as a query string, without those that hold nothing. */
export function query(parameters) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== "" && one !== null) search.append(name, one);
  }
  // Colons, commas and blanks may stand in a query as they are, and are easier to read there.
  return search.toString().replaceAll("%3A", ":").replaceAll("%2C", ",");
}

/** The parameters of a query string; one that is repeated comes as a list. */
export function parameters(search, lists = []) {
  const found = {};
  for (const [name, value] of new URLSearchParams(search)) {
    if (lists.includes(name)) (found[name] ??= []).push(value);
    else found[name] = value;
  }
  return found;
}

/** A refusal in the server's words, with the parameter it speaks of. */
export class Refused extends Error {
  constructor(message, argument, status) {
    super(message);
    this.argument = argument;
    this.status = status;
  }
}

// An address longer than this goes as a form: values typed by hand can be many.
const LONGEST_ADDRESS = 4000;

/** Asks the server, and throws `Refused` where it refuses. */
export async function ask(path, parametersOrQuery = {}, options = {}) {
  const search = typeof parametersOrQuery === "string" ? parametersOrQuery : query(parametersOrQuery);
  const response =
    search.length <= LONGEST_ADDRESS
      ? await fetch(search ? `${path}?${search}` : path, options)
      : await fetch(path, { ...options, method: "POST", body: new URLSearchParams(search) });
  if (response.ok) return response;
  const told = await response.json().catch(() => ({}));
  throw new Refused(told.error ?? `The server answered ${response.status}.`, told.argument ?? null, response.status);
}

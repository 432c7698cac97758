// A layer of a chain, as the words of an address: "3x3 s2 d1 same". Read and written, nothing more.

import { joined, pairs, perAxis } from "./state.js";

/** What words mean: {kernel, strides, dilation} per axis, and the padding as text. */
export function readWords(text) {
  const [window, ...words] = text.split(/\s+/);
  const layer = { kernel: perAxis(window, 2), strides: [1, 1], dilation: [1, 1], padding: "valid" };
  for (const word of words) {
    if (/^s\d/.test(word)) layer.strides = perAxis(word.slice(1), 2);
    else if (/^d\d/.test(word)) layer.dilation = perAxis(word.slice(1), 2);
    else layer.padding = word;
  }
  return layer;
}

/** The words for such a layer. */
export function writeWords({ kernel, strides, dilation, padding }) {
  return `${joined(kernel)} s${joined(strides)} d${joined(dilation)} ${padding}`;
}

/** The words for a layer given by the arguments of `tweakconv.Layer`. */
export function wordsOf({ kernel_size, strides = 1, dilation_rate = 1, padding = "valid" }) {
  const axes = (value) => (Array.isArray(value) ? value : [value, value]);
  const sides = (value) => (typeof value === "string" ? value : pairs(axes(value).map((side) => axes(side))));
  return writeWords({
    kernel: axes(kernel_size),
    strides: axes(strides),
    dilation: axes(dilation_rate),
    padding: sides(padding),
  });
}

/** The (before, after) of each axis that a padding written in numbers means: "1", "1,2" or "1:2,0:3". */
export function sidesOf(text) {
  const axes = text.split(",").map((side) => side.split(":").map(Number));
  const [first, second = first] = axes.map(([before, after = before]) => [before, after]);
  return [first, second];
}

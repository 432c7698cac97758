// A picture on a canvas, asked of the server as pixels.

import { h, setAttribute } from "./dom.js";
import { ask } from "./state.js";

/** The pixels of a filtered picture, and what the server says about them. */
export async function pixelsOf(parameters) {
  const response = await ask("/api/picture", parameters);
  const facts = JSON.parse(response.headers.get("Tweakconv-Result"));
  return { facts, pixels: new Uint8ClampedArray(await response.arrayBuffer()) };
}

/** A canvas with a caption. */
export function pictureScreen({ label, tone }) {
  const canvas = h("canvas", { class: "ex-canvas", role: "img", "aria-label": label });
  const size = h("span", { class: `ex-of-${tone}` });
  const frame = h("div", { class: "ex-screen-frame" }, canvas);
  const element = h("figure", { class: "ex-screen" }, h("figcaption", {}, h("span", {}, label), size), frame);
  return {
    element,
    canvas,
    show({ facts: { height, width }, pixels }) {
      if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
      canvas.getContext("2d").putImageData(new ImageData(pixels, width, height), 0, 0);
      canvas.setAttribute("aria-label", `${label}, ${height} by ${width} pixels`);
      size.textContent = `${height} × ${width}`;
    },
    /** Shown as a part of the width there is, 1 fills it; null shows a pixel as a pixel, in a frame that scrolls. */
    scale(part) {
      canvas.style.width = part === null ? `${canvas.width / devicePixelRatio}px` : `${100 * part}%`;
      frame.dataset.scrolls = String(part === null);
      setAttribute(frame, "tabindex", part === null ? 0 : null);
    },
  };
}

/** A button with a picture of a sample on it, which is asked for after more important things. */
export function thumbnail({ label, picture, height, width, onclick, after }) {
  const canvas = h("canvas", { "aria-hidden": "true" });
  const element = h(
    "button",
    { type: "button", class: "ex-thumbnail", "aria-pressed": "false", "data-picture": picture, onclick },
    canvas,
    h("span", {}, label),
  );
  const step = Math.max(1, Math.floor(Math.min(height, width) / 240));
  after
    .then(() =>
      pixelsOf({ picture, kernel: `blur:${step}`, strides: String(step), padding: "valid", value_range: "clip" }),
    )
    .then(({ facts, pixels }) => {
      [canvas.width, canvas.height] = [facts.width, facts.height];
      canvas.getContext("2d").putImageData(new ImageData(pixels, facts.width, facts.height), 0, 0);
    });
  return element;
}

// Making elements: a few helpers that keep the other modules short and free of markup in strings.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An HTML element. Attributes named on… are listeners, `class` and the rest are attributes (true stands alone,
 * false, null and undefined leave it out); a property that has no attribute is given as `.name`.
 */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** An SVG element, in the same way. */
export function s(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.startsWith(".")) element[name.slice(1)] = value;
    else setAttribute(element, name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Sets an attribute, or takes it away where the value is false, null or undefined. */
export function setAttribute(element, name, value) {
  if (value === false || value === null || value === undefined) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? "" : String(value));
}

/** Replaces what an element holds. */
export function fill(element, ...children) {
  element.replaceChildren(
    ...children.flat().filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}

let counter = 0;

/** An id that no other element of the page has. */
export function freshId(prefix) {
  counter += 1;
  return `ex-${prefix}-${counter}`;
}

// Drawn on a 16 by 16 grid with a 1.5 stroke; the filled ones are closed shapes.
const ICONS = {
  play: [["path", { d: "M5 3.2v9.6l7.6-4.8z", class: "ex-filled" }]],
  pause: [["path", { d: "M4.5 3h2.4v10H4.5zM9.1 3h2.4v10H9.1z", class: "ex-filled" }]],
  next: [["path", { d: "M6 4l4 4-4 4" }]],
  previous: [["path", { d: "M10 4L6 8l4 4" }]],
  first: [["path", { d: "M4.5 4v8M11.5 4l-4 4 4 4" }]],
  last: [["path", { d: "M11.5 4v8M4.5 4l4 4-4 4" }]],
  repeat: [
    ["path", { d: "M3 8V6.5A2.5 2.5 0 0 1 5.5 4H13M11 2l2 2-2 2M13 8v1.5A2.5 2.5 0 0 1 10.5 12H3M5 14l-2-2 2-2" }],
  ],
  plus: [["path", { d: "M8 3.5v9M3.5 8h9" }]],
  minus: [["path", { d: "M3.5 8h9" }]],
  linked: [
    ["path", { d: "M6.8 9.2l2.4-2.4M7.3 4.6l1-1a2.9 2.9 0 0 1 4.1 4.1l-1 1M8.7 11.4l-1 1a2.9 2.9 0 0 1-4.1-4.1l1-1" }],
  ],
  unlinked: [
    ["path", { d: "M7.3 4.6l1-1a2.9 2.9 0 0 1 4.1 4.1l-1 1M8.7 11.4l-1 1a2.9 2.9 0 0 1-4.1-4.1l1-1M3 3l10 10" }],
  ],
  sun: [
    ["circle", { cx: 8, cy: 8, r: 2.8 }],
    [
      "path",
      {
        d: "M8 1.5v1.7M8 12.8v1.7M1.5 8h1.7M12.8 8h1.7M3.4 3.4l1.2 1.2M11.4 11.4l1.2 1.2M12.6 3.4l-1.2 1.2M4.6 11.4l-1.2 1.2",
      },
    ],
  ],
  moon: [["path", { d: "M13 9.6A5.5 5.5 0 0 1 6.4 3a5.5 5.5 0 1 0 6.6 6.6z" }]],
  system: [
    ["circle", { cx: 8, cy: 8, r: 5.5 }],
    ["path", { d: "M8 2.5a5.5 5.5 0 0 1 0 11z", class: "ex-filled" }],
  ],
  share: [["path", { d: "M8 9.5V2.5M5.2 5L8 2.2 10.8 5M4.5 7.5h-1v6h9v-6h-1" }]],
  download: [["path", { d: "M8 2.5v7M5.2 7L8 9.8 10.8 7M3 13.5h10" }]],
  copy: [["path", { d: "M6 6h7v7.5H6zM10 6V2.5H3V10h3" }]],
  check: [["path", { d: "M3 8.5l3.3 3.3L13 4.8" }]],
  cross: [["path", { d: "M4 4l8 8M12 4l-8 8" }]],
  up: [["path", { d: "M4 10l4-4 4 4" }]],
  down: [["path", { d: "M4 6l4 4 4-4" }]],
  trash: [["path", { d: "M3 4.5h10M6 4.5V3h4v1.5M4.5 4.5l.6 8.5h5.8l.6-8.5M6.8 7v3.5M9.2 7v3.5" }]],
  keyboard: [["path", { d: "M1.8 4h12.4v8H1.8zM4.5 6.7h.01M7 6.7h.01M9.5 6.7h.01M11.7 6.7h.01M5 9.5h6" }]],
  warning: [["path", { d: "M8 2.3l6.2 11H1.8zM8 6.5v3.2M8 11.5v.01" }]],
  info: [
    ["circle", { cx: 8, cy: 8, r: 6 }],
    ["path", { d: "M8 7.3v3.7M8 5v.01" }],
  ],
  dice: [
    ["rect", { x: 2.5, y: 2.5, width: 11, height: 11, rx: 2 }],
    ["path", { d: "M5.5 5.5h.01M10.5 5.5h.01M8 8h.01M5.5 10.5h.01M10.5 10.5h.01", class: "ex-dots" }],
  ],
  pin: [["path", { d: "M5.5 2.5h5l-.7 4.5 2.2 2.2H4L6.2 7zM8 9.2v4.3" }]],
  reset: [["path", { d: "M3 3v3.5h3.5M3.3 6.5A5.2 5.2 0 1 1 2.9 9" }]],
  image: [
    ["path", { d: "M2 3h12v10H2zM2 11l3.5-3.5 3 3 2-2L14 12" }],
    ["circle", { cx: 10.5, cy: 5.8, r: 1 }],
  ],
};

/** A small picture that says nothing by itself: its button has the words. */
export function icon(name) {
  const shapes = ICONS[name].map(([tag, attributes]) => s(tag, attributes));
  return s("svg", { class: "ex-icon", viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false" }, shapes);
}

/** A button with an icon, words, or both; words that are not shown are its label. */
export function button({ label, iconName, shown = true, onclick, ...attributes }) {
  const names = [attributes.class ?? "ex-button", !shown && "ex-square"].filter(Boolean).join(" ");
  const named = shown ? {} : { "aria-label": label, title: label };
  return h(
    "button",
    { type: "button", ...named, ...attributes, class: names, onclick },
    iconName && icon(iconName),
    shown && h("span", {}, label),
  );
}

/** A drawing that came as text, light or dark as the page is. */
export function drawn(text, theme) {
  const svg = document.importNode(new DOMParser().parseFromString(text, "image/svg+xml").documentElement, true);
  dress(svg, theme);
  return svg;
}

/** Has a drawing be "light", "dark", or "auto": as the system is. */
export function dress(svg, theme) {
  for (const each of ["auto", "light", "dark"]) svg.classList.toggle(`tc-${each}`, each === theme);
}

/** The places where `announce` speaks; one for each document or widget. */
export function liveRegion() {
  return h("div", { class: "ex-hidden ex-live", "aria-live": "polite", "aria-atomic": "true" });
}

/** Has a screen reader say a text when it has finished what it is saying. */
export function announce(region, text) {
  if (region.textContent !== text) region.textContent = text;
}

/**
 * Runs an asynchronous function for the newest argument only: while one call is under way at most one more waits,
 * and a newer argument takes its place. What a slider asks for is so never older than one answer.
 */
export function newest(run) {
  let busy = false;
  let waiting = null;
  return async function ask(...parameters) {
    waiting = parameters;
    if (busy) return;
    busy = true;
    try {
      while (waiting) {
        const now = waiting;
        waiting = null;
        await run(...now);
      }
    } finally {
      busy = false;
    }
  };
}

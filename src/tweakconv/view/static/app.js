// The page: its four tabs, the state of each in the address, light and dark, and a word on keys.

import { announce, button, h, icon, liveRegion } from "./dom.js";
import { ask } from "./state.js";
import { layerTab } from "./layer-tab.js";
import { layersTab } from "./layers-tab.js";
import { pictureTab } from "./picture-tab.js";
import { practiceTab } from "./practice-tab.js";

const MAKERS = { layer: layerTab, picture: pictureTab, layers: layersTab, practice: practiceTab };
const NAMES = { layer: "One layer", picture: "On a picture", layers: "Many layers", practice: "Practice" };
const THEMES = [
  ["auto", "system", "as the system"],
  ["light", "sun", "light"],
  ["dark", "moon", "dark"],
];

const live = liveRegion();
const tools = document.getElementById("tools");
const tabButtons = new Map(Object.keys(MAKERS).map((name) => [name, document.getElementById(`tab-${name}`)]));
const opened = new Map();
let current = null;

const page = {
  about: null, // what there is to choose from, and the limits
  say: (text) => announce(live, text),
  toast,
  get theme() {
    return document.documentElement.dataset.theme;
  },
  /** Goes to another tab, with a query of its own: the practice shows its answers that way. */
  open: (name, search) => goTo(name, search, true),
};

function tabOf(name) {
  if (!opened.has(name)) {
    const panel = document.getElementById(`panel-${name}`);
    const tab = MAKERS[name](page, () => name === current && remember());
    panel.append(tab.element);
    opened.set(name, tab);
  }
  return opened.get(name);
}

async function goTo(name, search, isNew) {
  if (current && current !== name) tabOf(current).leave?.();
  current = name;
  for (const [each, tabButton] of tabButtons) {
    tabButton.setAttribute("aria-selected", String(each === name));
    tabButton.tabIndex = each === name ? 0 : -1;
    document.getElementById(`panel-${each}`).hidden = each !== name;
  }
  document.title = `${NAMES[name]} · tweakconv`;
  const tab = tabOf(name);
  if (search !== null) tab.restore(search);
  tab.enter?.();
  if (isNew) history.pushState(null, "", address());
}

function address() {
  const search = tabOf(current).query();
  const whole = current === "layer" ? search : [`tab=${current}`, search].filter(Boolean).join("&");
  return whole ? `/?${whole}` : "/";
}

// Browsers refuse to change the address more than about a hundred times in half a minute.
let remembering = null;
function remember() {
  clearTimeout(remembering);
  remembering = setTimeout(() => history.replaceState(null, "", address()), 120);
}

function restore() {
  const search = new URLSearchParams(location.search);
  const named = search.get("tab") ?? "layer";
  search.delete("tab");
  goTo(named in MAKERS ? named : "layer", search.toString(), false);
}

/** Tabs, by the pattern of that name: arrows move between them, and what is reached is shown. */
function listenToTabs() {
  for (const [name, tabButton] of tabButtons) {
    tabButton.addEventListener("click", () => name !== current && goTo(name, opened.has(name) ? null : "", true));
    tabButton.addEventListener("keydown", (event) => {
      const names = [...tabButtons.keys()];
      const at = names.indexOf(name);
      const target = { ArrowRight: names.at((at + 1) % 4), ArrowLeft: names.at(at - 1), Home: names[0], End: names[3] }[
        event.key
      ];
      if (!target) return;
      event.preventDefault();
      tabButtons.get(target).focus();
      tabButtons.get(target).click();
    });
  }
}

function toast(text) {
  document.querySelector(".page-toast")?.remove();
  const note = h("div", { class: "page-toast" }, text);
  document.body.append(note);
  page.say(text);
  setTimeout(() => note.remove(), 2600);
}

async function share() {
  if (current === null) return;
  history.replaceState(null, "", address());
  try {
    await navigator.clipboard.writeText(location.href);
    toast("Link copied: it shows others exactly this.");
  } catch {
    toast("The address bar holds the link to exactly this.");
  }
}

const themeButton = button({ label: "Theme", iconName: "system", shown: false, onclick: () => setTheme(nextTheme()) });

function nextTheme() {
  return THEMES[(THEMES.findIndex(([name]) => name === page.theme) + 1) % THEMES.length][0];
}

function setTheme(name) {
  const [, iconName, words] = THEMES.find(([each]) => each === name) ?? THEMES[0];
  document.documentElement.dataset.theme = name;
  document.body.dataset.theme = name;
  try {
    localStorage.setItem("tweakconv-theme", name);
  } catch {
    // A browser that stores nothing forgets it with the page.
  }
  themeButton.replaceChildren(icon(iconName));
  themeButton.setAttribute("aria-label", `Theme: ${words}`);
  themeButton.title = `Theme: ${words}`;
  for (const tab of opened.values()) tab.repaint?.();
}

const KEYS = [
  ["←  →", "one output back or on, while the drawing has the focus"],
  ["↑  ↓", "a row of outputs up or down"],
  ["Home  End", "the first and the last output"],
  ["Enter", "pin the output, or let it go"],
  ["P", "play and pause"],
  ["V", "tilted or flat"],
  ["Tab", "to the next control; sliders and numbers take the arrow keys"],
  ["0 … 9  −", "type a value into a cell of the input or kernel table; Delete takes the edit back"],
  ["Escape", "close a list or an editor"],
];

const help = h(
  "dialog",
  { class: "page-help", "aria-labelledby": "help-title" },
  h(
    "header",
    {},
    h("h2", { class: "ex-title", id: "help-title" }, "Keys"),
    button({
      label: "Close",
      iconName: "cross",
      shown: false,
      class: "ex-button ex-quiet",
      onclick: () => help.close(),
    }),
  ),
  h(
    "div",
    {},
    h(
      "dl",
      {},
      KEYS.map(([keys, words]) => [
        h(
          "dt",
          {},
          keys
            .split("  ")
            .map((key, at) => [at > 0 && " ", h("kbd", {}, key)])
            .flat(),
        ),
        h("dd", {}, words),
      ]).flat(),
    ),
  ),
);
help.addEventListener("click", (event) => event.target === help && help.close());

tools.append(
  button({ label: "Keys", iconName: "keyboard", shown: false, onclick: () => help.showModal() }),
  themeButton,
  button({ label: "Share", iconName: "share", class: "ex-button ex-primary", onclick: share }),
);
document.body.append(help, live);
setTheme(page.theme);
page.about = await (await ask("/api/about")).json();
addEventListener("popstate", restore);
listenToTabs();
restore();

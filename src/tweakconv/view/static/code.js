// The layer as code: a tab for each framework, a button to copy, and what a framework does otherwise.

import { button, freshId, h, icon, setAttribute } from "./dom.js";
import { remarks } from "./controls.js";

/** The panel; `show(code)` takes {framework: {name, code, notes, refuses}}. */
export function codePanel({ say }) {
  const id = freshId("code");
  const list = h("div", { class: "ex-code-tabs", role: "tablist", "aria-label": "Framework" });
  const text = h("code", {});
  const notes = h("ul", { class: "ex-warnings" });
  const copy = button({ label: "Copy the code", iconName: "copy", shown: false, onclick: copyIt });
  const panel = h(
    "div",
    { role: "tabpanel", id, tabindex: -1 },
    h("div", { class: "ex-code" }, h("pre", { tabindex: 0, role: "group", "aria-label": "Code" }, text), copy),
    notes,
  );
  let code = {};
  let chosen = null;
  let tabs = new Map();

  async function copyIt() {
    try {
      await navigator.clipboard.writeText(text.textContent);
    } catch {
      // Browsers keep the clipboard from pages that others serve without encryption.
      getSelection().selectAllChildren(text);
      say("The code is selected, to be copied");
      return;
    }
    copy.replaceChildren(icon("check"));
    say("Code copied");
    setTimeout(() => copy.replaceChildren(icon("copy")), 1600);
  }

  function choose(framework, focus = false) {
    chosen = framework;
    for (const [each, tab] of tabs) {
      setAttribute(tab, "aria-selected", String(each === framework));
      tab.tabIndex = each === framework ? 0 : -1;
    }
    const snippet = code[framework];
    panel.setAttribute("aria-labelledby", tabs.get(framework).id);
    if (text.textContent !== snippet.code) text.textContent = snippet.code;
    notes.replaceChildren(...remarks(snippet.notes));
    if (focus) tabs.get(framework).focus();
  }

  list.addEventListener("keydown", (event) => {
    const names = [...tabs.keys()];
    const at = names.indexOf(chosen);
    const target = {
      ArrowRight: names[(at + 1) % names.length],
      ArrowLeft: names.at(at - 1),
      Home: names[0],
      End: names.at(-1),
    }[event.key];
    if (!target) return;
    event.preventDefault();
    choose(target, true);
  });

  return {
    element: h("div", {}, list, panel),
    show(newCode) {
      code = newCode;
      const names = Object.keys(code);
      if (names.join() !== [...tabs.keys()].join()) {
        tabs = new Map(
          names.map((name) => [
            name,
            h("button", {
              type: "button",
              role: "tab",
              id: freshId("framework"),
              "aria-controls": id,
              onclick: () => choose(name),
            }),
          ]),
        );
        list.replaceChildren(...tabs.values());
        chosen = names.includes(chosen) ? chosen : names[0];
      }
      for (const [name, tab] of tabs) {
        const { notes: told, refuses } = code[name];
        tab.replaceChildren(
          code[name].name ?? name,
          ...(told.length
            ? [
                h(
                  "span",
                  { class: "ex-dot", "data-refuses": String(Boolean(refuses)) },
                  h("span", { class: "ex-hidden" }, refuses ? ", refuses this layer" : ", with a note"),
                ),
              ]
            : []),
        );
      }
      choose(chosen);
    },
  };
}

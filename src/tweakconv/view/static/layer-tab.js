// The tab "One layer": the view of one layer, answered by the server, with files of what is on the screen.

import { h } from "./dom.js";
import { menu } from "./controls.js";
import { layerView } from "./layer-view.js";
import { ask } from "./state.js";

const FILES = [
  ["SVG, moving", "A vector picture that plays in a README", "format=svg"],
  ["SVG, this step", "A vector picture for print", "format=svg&still=1"],
  ["GIF", "Plays anywhere", "format=gif"],
  ["PNG, this step", "A picture for slides", "format=png"],
];

/** The tab; `remember()` is called when its state has changed. */
export function layerTab(page, remember) {
  // A link holds what is on the screen in the moment it is followed.
  const items = FILES.map(([name, words, format]) =>
    h(
      "a",
      {
        href: "#",
        download: "",
        onclick: (event) => event.currentTarget.setAttribute("href", address(format)),
        "data-format": format,
      },
      h("span", {}, name),
      h("span", { class: "ex-note" }, words),
    ),
  );
  const save = menu({ label: "Save", iconName: "download", items });

  function address(format) {
    const theme = page.theme === "auto" ? "" : `theme=${page.theme}`;
    return `/api/export?${[view.query(), theme, format].filter(Boolean).join("&")}`;
  }

  const view = layerView({
    limits: page.about.limits,
    ask: async (query) => (await ask("/api/scene", query)).json(),
    remember,
    say: page.say,
    theme: () => page.theme,
    tools: [save],
  });

  return { ...view, leave: view.stop };
}

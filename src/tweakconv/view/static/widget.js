// The one-layer view in a notebook: the same view as on the page, answered by the kernel of the notebook.

import { liveRegion, announce } from "./dom.js";
import { layerView } from "./layer-view.js";
import { Refused } from "./state.js";

// How long the kernel may take; it is busy while it runs a cell.
const PATIENCE = 60_000;

function render({ model, el }) {
  const live = liveRegion();
  const waiting = new Map();
  let number = 0;

  el.classList.add("tweakconv");
  el.dataset.theme = themeAround(el);

  function hear(message) {
    const waits = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.error) waits?.reject(new Refused(message.error, message.argument));
    else waits?.resolve(message.answer);
  }

  /** The first answer came with the widget, so that it shows without a kernel too. */
  function ask(query) {
    const first = model.get("first");
    if (first.query === query) return Promise.resolve(first);
    number += 1;
    const id = number;
    return new Promise((resolve, reject) => {
      waiting.set(id, { resolve, reject });
      setTimeout(
        () => waiting.delete(id) && reject(new Refused("The kernel does not answer: it is busy, or gone.")),
        PATIENCE,
      );
      model.send({ id, query });
    });
  }

  function remember() {
    if (view.isRefused() || model.get("query") === view.query()) return;
    model.set("query", view.query());
    model.save_changes();
  }

  const view = layerView({
    limits: model.get("limits"),
    ask,
    remember,
    say: (text) => announce(live, text),
    theme: () => el.dataset.theme,
  });
  const restore = () => model.get("query") !== view.query() && view.restore(model.get("query"));
  model.on("msg:custom", hear);
  model.on("change:query", restore);
  el.append(view.element, live);
  view.restore(model.get("query"));
  // Some notebooks put the element into the page only now.
  requestAnimationFrame(() => {
    el.dataset.theme = themeAround(el);
    view.repaint();
  });

  return () => {
    view.stop();
    model.off("msg:custom", hear);
    model.off("change:query", restore);
  };
}

/** "light" or "dark", by what lies behind the widget: notebooks have no common way to say it. */
function themeAround(element) {
  for (let each = element; each; each = each.parentElement) {
    const [red, green, blue, opacity = 1] =
      getComputedStyle(each)
        .backgroundColor.match(/[\d.]+/g)
        ?.map(Number) ?? [];
    if (red !== undefined && opacity > 0.5) return 0.3 * red + 0.6 * green + 0.1 * blue < 128 ? "dark" : "light";
  }
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

export default { render };

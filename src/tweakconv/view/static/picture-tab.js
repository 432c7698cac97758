// The tab "On a picture": a photograph under a kernel, filtered again with every move of a slider.

import { fill, h, icon, newest } from "./dom.js";
import { choice, problem, remarks } from "./controls.js";
import { card, factsList, formulaLines, sizesLine } from "./panels.js";
import { kernelChoice, pictureChoice, pictureTweaks } from "./picture-controls.js";
import { pictureScreen, pixelsOf } from "./picture-screen.js";
import { ask, parameters, query } from "./state.js";

// What a parameter means that is not in the address.
const DEFAULTS = {
  kernel: "sobel-x",
  strides: "1",
  dilation_rate: "1",
  padding: "same",
  padding_mode: "zeros",
  value_range: "auto",
};

const SCALES = [
  ["fit", "Fit"],
  ["scale", "To scale", "The feature map as much smaller as it has fewer pixels"],
  ["pixels", "Pixels", "A pixel on the screen for each pixel"],
];

/** The tab; `remember()` is called when its state has changed. */
export function pictureTab({ about }, remember) {
  let wanted = {};
  let facts = null;
  let file = null; // the person's own picture, in case the server lets go of it
  let original = null; // which picture the left canvas holds
  let scaled = "fit";
  let began = 0;
  const now = (name) => wanted[name] ?? DEFAULTS[name] ?? "";
  const first = Promise.withResolvers();

  const pictures = pictureChoice({ samples: about.samples, change, send, after: first.promise });
  const kernels = kernelChoice({ kernels: about.kernels, change });
  const tweaks = pictureTweaks({ about, change });

  const source = pictureScreen({ label: "Picture", tone: "input" });
  const result = pictureScreen({ label: "Feature map", tone: "output" });
  const sizes = sizesLine();
  const times = factsList();
  const formulas = formulaLines();
  const notes = h("ul", { class: "ex-warnings" });
  const trouble = h("div", {});
  const scale = choice({
    label: "Size on the screen",
    joined: true,
    options: SCALES,
    onchange(name) {
      scaled = name;
      paintScale();
    },
  });
  scale.show(scaled);
  const save = h("a", { class: "ex-button", href: "#", download: "" }, icon("download"), h("span", {}, "PNG"));
  save.addEventListener("click", () => (save.href = `/api/picture?${query({ ...wanted, format: "png" })}`));
  const screens = h("div", { class: "ex-screens" }, source.element, result.element);
  screens.addEventListener("dragover", (event) => event.preventDefault());
  screens.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) send(event.dataTransfer.files[0]);
  });

  const bench = h(
    "div",
    { class: "ex-workbench" },
    h(
      "form",
      {
        class: "ex-rail ex-card",
        "aria-label": "Picture, kernel and tweaks",
        onsubmit: (event) => event.preventDefault(),
      },
      pictures.element,
      kernels.element,
      tweaks.elements,
    ),
    h(
      "div",
      { class: "ex-main" },
      h(
        "section",
        { class: "ex-card ex-first", "aria-label": "Feature map" },
        h("div", { class: "ex-stage-bar" }, h("div", { class: "ex-sizes" }, sizes.element), scale.element, save),
        trouble,
        screens,
        times.element,
      ),
      card("The size", formulas.element, notes),
    ),
  );

  const load = newest(async () => {
    const asked = { ...wanted };
    bench.setAttribute("aria-busy", "true");
    try {
      if (original !== now("picture")) await loadOriginal();
      const told = await pixelsOf(asked);
      facts = told.facts;
      result.show(told);
      show({ isNewest: query(asked) === query(wanted) });
      requestAnimationFrame(showTimes);
    } catch (error) {
      if (error.status === 410 && file) await send(file);
      else fill(trouble, h("div", { class: "ex-trouble" }, problem(error.message)));
    }
    bench.setAttribute("aria-busy", "false");
    first.resolve();
    remember();
  });

  const loadKernel = newest(async () => {
    const asked = now("kernel");
    try {
      const told = await (await ask("/api/kernel", { kernel: asked, normalize: now("normalize") })).json();
      if (asked === now("kernel")) kernels.tell(told, asked);
    } catch {
      // What is wrong with it stands over the picture already.
    }
  });

  async function loadOriginal() {
    const picture = now("picture");
    source.show(await pixelsOf({ picture, kernel: "identity", padding: "same", value_range: "clip" }));
    original = picture;
  }

  function change(changed) {
    began = performance.now();
    for (const [name, value] of Object.entries(changed)) {
      if (value === "" || value === DEFAULTS[name]) delete wanted[name];
      else wanted[name] = value;
    }
    if ("kernel" in changed || "normalize" in changed) loadKernel();
    paintControls();
    load();
  }

  async function send(chosen) {
    pictures.tell(`Sending ${chosen.name} …`);
    try {
      const answer = await (await ask("/api/pictures", {}, { method: "POST", body: chosen })).json();
      file = chosen;
      pictures.tell([`${chosen.name}, ${answer.height} × ${answer.width}.`, ...answer.notes].join(" "));
      change({ picture: answer.picture });
    } catch (error) {
      pictures.tell(null);
      fill(trouble, h("div", { class: "ex-trouble" }, problem(error.message)));
    }
  }

  function paintControls() {
    pictures.show(wanted.picture ?? about.samples[0].picture);
    kernels.show(now);
    tweaks.show(now);
  }

  /** The pads are shown where they are those asked for last: else they would undo what has been typed meanwhile. */
  function show({ isNewest }) {
    fill(trouble);
    sizes.show(facts.input, facts.output);
    if (isNewest) tweaks.tell(facts.pads, facts.input);
    formulas.show(facts.formula.map((text, axis) => [["height", "width"][axis], text]));
    fill(notes, remarks([facts.unread, facts.report].filter(Boolean)));
    paintScale();
  }

  /** To scale, the feature map is as much smaller than the picture as it has fewer pixels. */
  function paintScale() {
    const part = facts && scaled === "scale" ? facts.width / facts.input[1] : 1;
    source.scale(scaled === "pixels" ? null : Math.min(1, 1 / part));
    result.scale(scaled === "pixels" ? null : Math.min(1, part));
  }

  function showTimes() {
    const milliseconds = (time) => `${time < 10 ? time.toFixed(1) : Math.round(time)} ms`;
    times.show([
      ["In the convolution", milliseconds(facts.compute_ms), "Compiled code, for every channel"],
      ["From slider to pixels", milliseconds(performance.now() - began), "With the way to the server and back"],
      ["Multiply-adds", facts.multiply_adds.toLocaleString("en")],
      ["Threads", String(facts.threads)],
    ]);
  }

  return {
    element: h("div", { class: "ex-frame" }, bench),
    restore(search) {
      const { theme, ...given } = parameters(search);
      wanted = given;
      began = performance.now();
      paintControls();
      loadKernel();
      load();
    },
    query: () => query(wanted),
  };
}

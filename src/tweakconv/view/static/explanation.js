// The verdict on an answer, and the moving picture that explains it.

import { drawn, h, icon } from "./dom.js";
import { chainQuery } from "./layers-tab.js";
import { drawingStage } from "./stage.js";
import { ask } from "./state.js";
import { nameOf } from "./sum.js";
import { transport } from "./transport.js";

/** The verdict; `stop()` holds the picture, which plays by itself where motion is welcome. */
export function explanation(page, verdict) {
  const moving = verdict.query === null ? null : movingLayer(page, verdict);
  const chain = verdict.layers && chainQuery(verdict.layers);
  const open = (name, search) =>
    h(
      "a",
      {
        class: "ex-button",
        href: `/?${name === "layer" ? "" : `tab=${name}&`}${search}`,
        onclick: (event) => {
          event.preventDefault();
          page.open(name, search);
        },
      },
      "Open it, to try others",
    );
  const element = h(
    "div",
    { class: "ex-card ex-verdict-card" },
    h(
      "header",
      {},
      h("span", { class: "ex-verdict-mark" }, icon(verdict.right ? "check" : "cross")),
      h("h2", { class: "ex-title" }, verdict.headline),
    ),
    h(
      "div",
      { class: "ex-body" },
      verdict.hint && h("p", { class: "ex-hint" }, verdict.hint),
      h(
        "ul",
        { class: "ex-explanation" },
        verdict.explanation.map((sentence) => h("li", {}, sentence)),
      ),
      h(
        "p",
        { class: "ex-solution" },
        h("span", { class: "ex-note" }, "An answer: "),
        h("strong", {}, verdict.solution),
      ),
      moving?.element,
      chain && chainPicture(page, chain),
      h(
        "div",
        { class: "ex-acts" },
        verdict.query !== null && open("layer", verdict.query),
        chain && open("layers", chain),
      ),
    ),
  );
  return { element, stop: () => moving?.time.stop() };
}

function movingLayer(page, { query, step }) {
  let scene = null;
  const stage = drawingStage({
    theme: () => page.theme,
    onhover: () => {},
    onchoose: (at) => time.jump(at),
    onkey: (key) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[key];
      if (by) time.jump(time.step + by);
      return Boolean(by);
    },
    onvalue: null,
  });
  const time = transport({ onstep: (at) => stage.at(at, scene, false), say: (at) => (scene ? nameOf(scene, at) : "") });
  const element = h("div", { class: "ex-explaining" }, stage.element, time.element);
  ask("/api/scene", query).then(async (response) => {
    const answer = await response.json();
    scene = answer.scene;
    stage.show(answer.svg, scene);
    time.show(scene.steps, step ?? 0);
    stage.at(step ?? 0, scene, false);
    if (step === null && !matchMedia("(prefers-reduced-motion: reduce)").matches && element.isConnected) time.toggle();
  });
  return { element, time };
}

function chainPicture(page, search) {
  const place = h("div", { class: "ex-drawing ex-explaining" });
  ask("/api/layers", search).then(async (response) =>
    place.replaceChildren(drawn((await response.json()).svg, page.theme)),
  );
  return place;
}

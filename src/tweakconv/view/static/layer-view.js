// One layer: its tweaks, the drawing and its way through time, the sum, the sizes, the values, the code.
//
// The page and the notebook widget show the same view. Who mounts it gives `ask`, which turns a query into an answer
// (a scene, its drawing, its code); nothing here works out a size, a pad or a place.

import { fill, h, newest, setAttribute } from "./dom.js";
import { choice, problem, remarks } from "./controls.js";
import { codePanel } from "./code.js";
import { layerControls } from "./layer-controls.js";
import { drawingStage } from "./stage.js";
import { card, factsList, formulaLines, sizesLine } from "./panels.js";
import { parameters, query, readEdits, wholeNumber, withoutLostEdits, writeEdits } from "./state.js";
import { nameOf, spoken, sumPanel } from "./sum.js";
import { transport } from "./transport.js";
import { valuesGrid } from "./values.js";

/**
 * The view. `ask(query)` gives an answer or throws an error with words; `remember()` is called when the state has
 * changed; `say(text)` speaks to screen readers; `theme()` is "auto", "light" or "dark"; `tools` are more elements for
 * the bar over the drawing.
 */
export function layerView({ limits, ask, remember, say, theme, tools = [] }) {
  let wanted = {}; // the parameters asked for, without what only this page plays: step and pin
  let answer = null;
  let step = 0;
  let pin = null;
  let hover = null;
  let refused = false;

  const controls = layerControls({ limits, change });
  const stage = drawingStage({ theme, onhover, onchoose, onkey, onvalue });
  const time = transport({
    onstep: (to) => moveTo(to),
    onplay: (playing) => playing && setPin(null),
    say: (at) => (answer ? nameOf(answer.scene, at) : ""),
  });
  const sum = sumPanel();
  const code = codePanel({ say });
  const inputValues = valuesGrid({
    label: "Input values",
    tone: "input",
    onedit: (row, column, text) => onvalue("input", row, column, text),
  });
  const kernelValues = valuesGrid({
    label: "Kernel weights",
    tone: "kernel",
    onedit: (row, column, text) => onvalue("kernel", row, column, text),
  });
  const view = choice({
    label: "View",
    joined: true,
    options: [
      ["tilted", "Tilted"],
      ["flat", "Flat"],
    ],
    onchange: (name) => change({ view: name }),
  });

  const sizes = sizesLine();
  const rule = h("p", { class: "ex-note" });
  const formulas = formulaLines();
  const facts = factsList();
  const notes = h("ul", { class: "ex-warnings" });
  const pinned = h("p", { class: "ex-pinned", hidden: true }, "pinned");
  const values = h(
    "div",
    { class: "ex-beside" },
    h("div", {}, h("h3", { class: "ex-eyebrow" }, "Kernel"), kernelValues.element),
    h("div", {}, h("h3", { class: "ex-eyebrow" }, "Input"), inputValues.element),
  );
  const channelNote = h("p", { class: "ex-note", hidden: true });

  const element = h(
    "div",
    { class: "ex-frame" },
    h(
      "div",
      { class: "ex-workbench" },
      controls.element,
      h(
        "div",
        { class: "ex-main" },
        h(
          "section",
          { class: "ex-card ex-stage ex-first", "aria-label": "Drawing" },
          h(
            "div",
            { class: "ex-stage-bar" },
            h("div", { class: "ex-sizes" }, sizes.element, pinned),
            view.element,
            tools,
          ),
          stage.element,
          time.element,
        ),
        h("section", { class: "ex-card", "aria-label": "Numbers" }, facts.element),
        h(
          "div",
          { class: "ex-pair" },
          h("div", { class: "ex-stack" }, card("The sum", sum.element), card("The values", channelNote, values)),
          card("The size", rule, formulas.element, notes),
        ),
      ),
    ),
    h("div", { class: "ex-below" }, card("The same layer in code", code.element)),
  );

  element.inert = true; // until there is something to change

  const load = newest(async () => {
    const asked = query(wanted);
    stage.wait(true);
    try {
      const told = await ask(asked);
      if (asked !== query(wanted)) return;
      answer = told;
      wanted = withoutTime(parameters(answer.query));
      show();
    } catch (error) {
      if (asked !== query(wanted)) return;
      if (answer === null && asked !== "") await beginAnew();
      refuse(error);
    } finally {
      stage.wait(false);
    }
  });

  function change(changed) {
    const next = { ...wanted };
    for (const [name, value] of Object.entries(changed)) {
      if (value === "") delete next[name];
      else if (value !== undefined) next[name] = value;
    }
    wanted = withoutLostEdits(next, answer.state);
    load();
  }

  function show() {
    const { scene } = answer;
    refused = false;
    element.inert = false;
    stage.problem(null);
    controls.show(answer);
    view.show(answer.state.view);
    step = Math.min(step, scene.steps - 1);
    if (pin !== null && pin >= scene.steps) pin = null;
    stage.show(answer.svg, scene);
    time.show(scene.steps, step);
    sizes.show(scene.facts.input_size, scene.facts.output_size);
    rule.textContent = scene.transposed
      ? "(input − 1) × stride + window − what is cut"
      : "(input − window + padding) / stride, rounded down, + 1";
    formulas.show(Object.entries(scene.formula));
    facts.show(factsOf(scene));
    fill(notes, remarks(answer.warnings));
    const edits = (list) => new Set(list.map(([row, column]) => `${row}.${column}`));
    inputValues.show(scene.input.values, edits(answer.state.input_edits));
    kernelValues.show(scene.kernel.values, edits(answer.state.kernel_edits));
    const several = scene.channels.inputs > 1 || scene.channels.outputs > 1;
    channelNote.hidden = !several;
    channelNote.textContent = several ? `Channel ${scene.channels.shown_input} of ${scene.channels.inputs}` : "";
    code.show(answer.code);
    paint();
    remember();
  }

  /** An address that makes no sense shows the layer that there is without one, and what is wrong. */
  async function beginAnew() {
    wanted = {};
    answer = await ask("");
    show();
  }

  function refuse(error) {
    refused = true;
    stage.problem(problem(error.message));
    remember();
  }

  /** Shows the output that is pinned, pointed at, or next in time. */
  function paint() {
    if (!answer) return;
    const shown = pin ?? hover ?? step;
    stage.at(shown, answer.scene, pin !== null);
    sum.show(answer.scene, shown);
    pinned.hidden = pin === null;
    setAttribute(element, "data-shown", shown);
    setAttribute(element, "data-pinned", pin);
  }

  function moveTo(target) {
    step = target;
    hover = null;
    if (pin !== null) pin = target;
    paint();
    if (!time.playing) {
      say(spoken(answer.scene, step));
      remember();
    }
  }

  function setPin(target) {
    pin = target;
    if (pin !== null) step = pin;
    if (answer) time.show(answer.scene.steps, step);
    paint();
    remember();
  }

  function onhover(target) {
    if (time.playing) return;
    hover = target;
    paint();
  }

  function onchoose(target) {
    time.stop();
    hover = null;
    setPin(pin === target ? null : target);
    say(pin === null ? "Let go" : `Pinned: ${spoken(answer.scene, target)}`);
  }

  function onkey(key) {
    const { cols } = answer.scene.output;
    const moves = {
      ArrowLeft: step - 1,
      ArrowRight: step + 1,
      ArrowUp: step - cols,
      ArrowDown: step + cols,
      Home: 0,
      End: answer.scene.steps - 1,
    };
    if (key in moves) {
      if (moves[key] >= 0 && moves[key] < answer.scene.steps) time.jump(moves[key]);
      stage.focus();
    } else if (key === "p") time.toggle();
    else if (key === "v") change({ view: answer.state.view === "tilted" ? "flat" : "tilted" });
    else if (key === "Escape" && pin !== null) setPin(null);
    else return false;
    return true;
  }

  function onvalue(part, row, column, text) {
    const name = part === "input" ? "input_edits" : "kernel_edits";
    const edits = readEdits(wanted[name]);
    if (text === "") edits.delete(`${row}.${column}`);
    else edits.set(`${row}.${column}`, text);
    change({ [name]: writeEdits(edits) });
  }

  return {
    element,
    /** Takes over the state of an address. */
    restore(search) {
      const given = parameters(search);
      pin = wholeNumber(given.pin);
      step = pin ?? wholeNumber(given.step) ?? 0;
      wanted = withoutTime(given);
      time.stop();
      return load();
    },
    /** The state as an address holds it. */
    query: () =>
      query({ ...wanted, step: step && pin === null ? String(step) : "", pin: pin === null ? "" : String(pin) }),
    /** Whether the state is one that was refused. */
    isRefused: () => refused,
    stop: () => time.stop(),
    repaint: () => stage.repaint(),
  };
}

function withoutTime({ step, pin, theme, ...rest }) {
  return rest;
}

/** The numbers of a layer, each with its name and a word on what it counts. */
function factsOf({ facts }) {
  const count = (number) => number.toLocaleString("en");
  const percent = `${Number((100 * facts.unread_fraction).toFixed(1))} %`;
  return [
    ["Window spans", facts.effective_kernel_size.join(" × "), "The effective kernel: what one output sees"],
    ["Parameters", count(facts.parameters), "Weights, without bias"],
    ["Multiply-adds", count(facts.multiply_adds), "For one image"],
    ["Never read", percent, "Part of the input that no output reads"],
  ];
}

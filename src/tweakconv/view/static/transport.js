// The way through time: play and pause, one step on or back, any step by dragging, and the speed.

import { button, h, icon } from "./dom.js";
import { dropDown, slider } from "./controls.js";

// Milliseconds from one output to the next at speed 1: long enough to read a product of three by three.
const PACE = 700;
const SPEEDS = ["0.5", "1", "2", "4", "8", "16"];

/**
 * The controls of time. `onstep(step)` is called when another output is to be shown, `onplay(playing)` when playing
 * begins or ends; `say(step)` gives the words for a step.
 */
export function transport({ onstep, onplay = () => {}, say }) {
  let step = 0;
  let steps = 1;
  let timer = null;
  let speed = 1;

  const position = slider({ label: "Output cell", least: 0, most: 0, oninput: (value) => jump(value) });
  const count = h("output", { "aria-hidden": "true" });
  const playButton = button({
    label: "Play",
    iconName: "play",
    shown: false,
    class: "ex-button ex-play",
    onclick: () => toggle(),
  });
  const mover = (label, iconName, by) =>
    button({ label, iconName, shown: false, class: "ex-button ex-quiet", onclick: () => jump(by()) });
  const speedField = dropDown({
    label: "Speed",
    shown: false,
    options: SPEEDS.map((each) => [each, `${each}×`]),
    onchange: (value) => {
      speed = Number(value);
      if (timer !== null) start();
    },
  });
  speedField.element.classList.add("ex-speed");
  speedField.show("1");

  const element = h(
    "div",
    { class: "ex-transport", role: "group", "aria-label": "Time" },
    h(
      "div",
      { class: "ex-transport-buttons" },
      mover("First output", "first", () => 0),
      mover("Previous output", "previous", () => step - 1),
      playButton,
      mover("Next output", "next", () => step + 1),
      mover("Last output", "last", () => steps - 1),
    ),
    h("div", { class: "ex-time" }, position.element, count),
    speedField.element,
  );

  function paint() {
    position.show(step, steps - 1);
    position.element.setAttribute("aria-valuetext", say(step));
    count.textContent = `${step + 1} / ${steps}`;
    const playing = timer !== null;
    playButton.replaceChildren(icon(playing ? "pause" : "play"));
    playButton.setAttribute("aria-label", playing ? "Pause" : "Play");
    playButton.title = playing ? "Pause" : "Play";
    element.dataset.playing = String(playing);
  }

  function to(target) {
    step = Math.min(Math.max(target, 0), steps - 1);
    paint();
    onstep(step);
  }

  function jump(target) {
    stop();
    to(target);
  }

  function start() {
    clearInterval(timer);
    timer = setInterval(() => to(step + 1 < steps ? step + 1 : 0), PACE / speed);
    paint();
    onplay(true);
  }

  function stop() {
    if (timer === null) return;
    clearInterval(timer);
    timer = null;
    paint();
    onplay(false);
  }

  function toggle() {
    if (timer === null) start();
    else stop();
  }

  return {
    element,
    jump,
    stop,
    toggle,
    /** Takes over a picture of so many steps, at one of them; playing goes on. */
    show(newSteps, newStep) {
      steps = newSteps;
      step = Math.min(newStep, steps - 1);
      paint();
    },
    get step() {
      return step;
    },
    get playing() {
      return timer !== null;
    },
  };
}

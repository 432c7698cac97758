// The score of the practice: kept in this browser and told to nobody.

import { button, h } from "./dom.js";

const KEY = "tweakconv-practice";
// A question that was asked once is not asked again: each kind and level counts its seeds on from a random one.
const FIRST_SEEDS = 2 ** 31;

/** The board with the score, and the seeds that have not been asked yet. */
export function scoreBoard() {
  let kept = read();
  let counted = null;
  const places = { right: h("dd", {}), streak: h("dd", {}), best: h("dd", {}) };
  const reset = button({
    label: "Forget the score",
    iconName: "reset",
    shown: false,
    class: "ex-button ex-quiet",
    onclick: forget,
  });
  const element = h(
    "div",
    { class: "ex-score" },
    h(
      "dl",
      {},
      [
        ["Right", "right"],
        ["In a row", "streak"],
        ["Longest row", "best"],
      ].map(([name, each]) => h("div", {}, h("dt", {}, name), places[each])),
    ),
    reset,
  );

  function paint() {
    places.right.textContent = `${kept.right} of ${kept.asked}`;
    places.streak.textContent = kept.streak;
    places.best.textContent = kept.best;
    reset.hidden = kept.asked === 0;
  }

  function keep() {
    try {
      localStorage.setItem(KEY, JSON.stringify(kept));
    } catch {
      // A browser that stores nothing counts until the page is left.
    }
    paint();
  }

  function forget() {
    kept = { ...nothing(), seeds: kept.seeds };
    keep();
  }

  paint();
  return {
    element,
    /** Counts an answer. A question counts once: who answers again, after a wrong one, learns but scores nothing. */
    count({ kind, level, seed }, right) {
      const name = `${kind} ${level} ${seed}`;
      if (name === counted) return;
      counted = name;
      const streak = right ? kept.streak + 1 : 0;
      kept = {
        ...kept,
        asked: kept.asked + 1,
        right: kept.right + Number(right),
        streak,
        best: Math.max(kept.best, streak),
      };
      keep();
    },
    /** The seed of the next question of a kind and level. */
    nextSeed(kind, level) {
      const name = `${kind} ${level}`;
      const seed = (kept.seeds[name] ?? Math.floor(Math.random() * FIRST_SEEDS)) + 1;
      kept = { ...kept, seeds: { ...kept.seeds, [name]: seed } };
      keep();
      return seed;
    },
  };
}

function nothing() {
  return { asked: 0, right: 0, streak: 0, best: 0, seeds: {} };
}

function read() {
  try {
    return { ...nothing(), ...JSON.parse(localStorage.getItem(KEY)) };
  } catch {
    return nothing();
  }
}

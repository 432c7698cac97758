// The tab "Practice": a question, an answer, the moving picture that explains it, and a score that stays here.

import { button, drawn, dress, fill, h, setAttribute } from "./dom.js";
import { choice, dropDown, problem } from "./controls.js";
import { answerForm } from "./answer-form.js";
import { explanation } from "./explanation.js";
import { scoreBoard } from "./score.js";
import { ask, parameters, query } from "./state.js";

const LEVELS = { 1: "Easy", 2: "Medium", 3: "Hard" };

/** The tab; `remember()` is called when another question stands in the address. */
export function practiceTab(page, remember) {
  const kinds = page.about.exercises;
  const score = scoreBoard();
  let wanted = {}; // kind and level as chosen; "any" kind is one without a name
  let exercise = null;
  let form = null;
  let told = null;

  const kind = dropDown({
    label: "Kind of exercise",
    shown: false,
    options: [["any", "Any question"], ...kinds.map((each) => [each.kind, each.title])],
    onchange: (name) => next({ kind: name }),
  });
  const level = choice({
    label: "Level",
    joined: true,
    options: Object.entries(LEVELS),
    onchange: (chosen) => next({ level: chosen }),
  });

  const title = h("p", { class: "ex-eyebrow" });
  const question = h("h2", { class: "ex-question", tabindex: -1 });
  const given = h("dl", { class: "ex-given" });
  const code = h("pre", { class: "ex-question-code", tabindex: 0, role: "group", "aria-label": "Code" });
  const picture = h("div", { class: "ex-drawing ex-question-drawing" });
  const place = h("div", {});
  const trouble = h("div", {});
  const check = button({ label: "Check", class: "ex-button ex-primary", type: "submit" });
  const skip = button({ label: "Another one", iconName: "next", onclick: another });
  const verdict = h("section", { class: "ex-verdict", tabindex: -1, "aria-label": "Answer", hidden: true });

  const element = h(
    "div",
    { class: "ex-frame" },
    h(
      "div",
      { class: "ex-practice" },
      h(
        "header",
        { class: "ex-practice-head" },
        score.element,
        h("div", { class: "ex-practice-choice" }, kind.element, level.element),
      ),
      h(
        "form",
        { class: "ex-card ex-exercise", novalidate: true, "aria-label": "Exercise", onsubmit: submit },
        title,
        question,
        given,
        code,
        picture,
        place,
        trouble,
        h("div", { class: "ex-acts" }, check, skip),
      ),
      verdict,
    ),
  );

  /** Another question of the kind and level that are chosen. */
  async function next(changed) {
    wanted = { ...wanted, ...changed };
    const name = wanted.kind === "any" ? kinds[Math.floor(Math.random() * kinds.length)].kind : wanted.kind;
    const offered = kinds.find((each) => each.kind === name).levels;
    const chosen = offered.includes(Number(wanted.level)) ? wanted.level : String(offered.at(-1));
    await open({ kind: name, level: chosen, seed: String(score.nextSeed(name, chosen)) });
  }

  /** The same, read out: the answer that had the attention is gone. */
  async function another() {
    await next({});
    question.focus({ preventScroll: true });
  }

  async function open(named) {
    told?.stop();
    told = null;
    verdict.hidden = true;
    fill(trouble);
    element.setAttribute("aria-busy", "true");
    try {
      exercise = await (await ask("/api/exercise", named)).json();
    } catch (error) {
      fill(trouble, problem(error.message));
      element.setAttribute("aria-busy", "false");
      return;
    }
    wanted.level = String(exercise.level);
    kind.show(wanted.kind);
    level.show(wanted.level);
    title.textContent = exercise.title;
    question.textContent = exercise.question;
    given.hidden = exercise.given.length === 0;
    fill(
      given,
      exercise.given.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
    );
    code.hidden = exercise.code === null;
    code.textContent = exercise.code?.join("\n") ?? "";
    form = answerForm(exercise.answer);
    fill(place, form.element);
    check.disabled = false;
    check.hidden = false;
    skip.querySelector("span").textContent = "Another one";
    for (const [name, value] of [
      ["kind", exercise.kind],
      ["level", exercise.level],
      ["seed", exercise.seed],
    ])
      setAttribute(element, `data-${name}`, value);
    setAttribute(element, "data-right", null);
    await showPicture();
    element.setAttribute("aria-busy", "false");
    remember();
  }

  /** The layer that the question speaks of, at rest: what moves is kept for the answer. */
  async function showPicture() {
    picture.hidden = exercise.state === null;
    if (picture.hidden) return;
    const { svg } = await (await ask("/api/scene", exercise.query)).json();
    const drawing = drawn(svg, page.theme);
    drawing.classList.add("tc-rest");
    picture.replaceChildren(drawing);
  }

  function repaint() {
    for (const svg of element.querySelectorAll("svg.tc-scene")) dress(svg, page.theme);
  }

  async function submit(event) {
    event.preventDefault();
    const answer = form.value();
    if (answer === undefined) {
      fill(trouble, problem("There is no answer yet."));
      return;
    }
    fill(trouble);
    let judged = null;
    try {
      judged = await (
        await ask("/api/exercise/check", {
          kind: exercise.kind,
          level: String(exercise.level),
          seed: String(exercise.seed),
          answer: JSON.stringify(answer),
        })
      ).json();
    } catch (error) {
      fill(trouble, problem(error.message));
      return;
    }
    score.count(exercise, judged.right);
    setAttribute(element, "data-right", String(judged.right));
    told?.stop();
    told = explanation(page, judged);
    verdict.dataset.right = String(judged.right);
    fill(verdict, told.element);
    verdict.hidden = false;
    check.hidden = judged.right;
    skip.querySelector("span").textContent = judged.right ? "Next" : "Another one";
    page.say(judged.headline);
    verdict.focus({ preventScroll: true });
    verdict.scrollIntoView({ block: "nearest" });
  }

  return {
    element,
    restore(search) {
      const { kind: named, level: chosen, seed } = parameters(search);
      const known = kinds.some((each) => each.kind === named);
      wanted = { kind: known ? named : "any", level: chosen in LEVELS ? chosen : "1" };
      if (known && seed) open({ kind: named, level: wanted.level, seed });
      else next({});
    },
    query: () =>
      exercise ? query({ kind: exercise.kind, level: String(exercise.level), seed: String(exercise.seed) }) : "",
    leave: () => told?.stop(),
    repaint,
  };
}

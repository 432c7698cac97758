"""Reading the page: what stands where in the drawing, and what is written beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Cells = set[tuple[int, int]]

_CELL = 40  # a cell of the drawing in its own plane


def sizes(page: Any) -> str:
    """The sizes before and after that are in sight, such as "5 × 5 → 3 × 3"."""
    words = page.locator('[data-role="sizes"]:visible').text_content().split()
    return " ".join(words).replace("→ becomes", "→").replace("→", " → ").replace("  ", " ")


# Where the shadow of each weight lies is told by where it is drawn, not by what it is called.
_WALK = """([steps, cell]) => {
  const drawing = document.querySelector(".ex-drawing svg");
  const place = (element) => [Number(element.dataset.row), Number(element.dataset.col)];
  const next = document.querySelector('[aria-label="Next output"]');
  const under = new Map();
  for (const each of drawing.querySelectorAll(
    '[data-plane="input"] :is([data-part="input"],[data-part="pad"],[data-part="gap"])')) {
    const [x, y] = [each.getAttribute("x"), each.getAttribute("y")].map((at) => Math.floor(at / cell));
    under.set(`${x} ${y}`, place(each));
  }
  const seen = [];
  for (let step = 0; step < steps; step++) {
    const window = drawing.querySelector('[data-moves="window"]');
    const [left, top] = window.getAttribute("transform").match(/-?[\\d.]+/g).map(Number);
    seen.push({
      output: place(drawing.querySelector('[data-part="output"].tc-current')),
      read: [...drawing.querySelectorAll(".tc-read")].map(place),
      weights: [...window.querySelectorAll('[data-part="kernel"]')].map((shade) => {
        const x = Math.floor((Number(shade.getAttribute("x")) + left) / cell);
        const y = Math.floor((Number(shade.getAttribute("y")) + top) / cell);
        return [...place(shade), ...(under.get(`${x} ${y}`) ?? ["nothing", "nothing"])];
      }),
    });
    next.click();
  }
  return seen;
}"""


@dataclass(frozen=True)
class Step:
    """What the drawing shows at one step.

    Attributes
    ----------
    output
        Row and column of the output that is marked as the one being computed.
    weights
        For each weight, as it is stored, the cell that its shadow lies on.
    read
        The cells that are marked as being read.
    """

    output: tuple[int, int]
    weights: dict[tuple[int, int], tuple[int, int]]
    read: Cells


@dataclass(frozen=True)
class Shown:
    """The page of one layer.

    Attributes
    ----------
    page
        A Playwright page.
    """

    page: Any

    def open(self, query: str = "") -> Shown:
        """Go to an address, and wait until it is drawn."""
        self.page.goto(f"/?{query}" if query else "/")
        self.page.wait_for_selector(".ex-drawing svg")
        return self.settled()

    def settled(self) -> Shown:
        """Wait until the newest answer is shown."""
        self.page.wait_for_function("() => document.querySelector('.ex-drawing[aria-busy=\"false\"] svg') !== null")
        return self

    def number(self, label: str, value: int) -> Shown:
        """Type a number into a field."""
        self.page.get_by_label(label, exact=True).fill(str(value))
        return self.settled()

    def text(self, selector: str) -> str:
        """What is written, without line breaks."""
        return " ".join(self.page.locator(selector).first.inner_text().split())

    def sizes(self) -> str:
        """Such as "5 × 5 → 3 × 3"."""
        return sizes(self.page)

    def formulas(self) -> list[str]:
        """The formula of each axis."""
        return [" ".join(each.split()) for each in self.page.locator(".ex-formula .ex-math").all_inner_texts()]

    def facts(self) -> dict[str, str]:
        """The numbers under the drawing."""
        entries = self.page.locator(".ex-facts > div").all()
        return {entry.locator("dt").inner_text(): entry.locator("dd").inner_text() for entry in entries}

    def cells(self, part: str) -> Cells:
        """Rows and columns of the cells that the drawing has of a part."""
        return self._places(f'.ex-drawing [data-part="{part}"]')

    def _places(self, selector: str) -> Cells:
        found = self.page.eval_on_selector_all(selector, "all => all.map((e) => [+e.dataset.row, +e.dataset.col])")
        return {(row, column) for row, column in found}

    def walk(self, steps: int) -> list[Step]:
        """Go on an output at a time with the page's own button, and look at each."""
        seen = self.page.evaluate(_WALK, [steps, _CELL])
        return [
            Step(
                output=tuple(step["output"]),
                weights={(ky, kx): (row, column) for ky, kx, row, column in step["weights"]},
                read={(row, column) for row, column in step["read"]},
            )
            for step in seen
        ]

    def current_output(self) -> tuple[int, int]:
        """Row and column of the output that is marked as the one being computed."""
        (place,) = self._places('.ex-drawing [data-part="output"].tc-current')
        return place

    def table(self, label: str) -> np.ndarray:
        """The numbers of a table of values."""
        rows = self.page.eval_on_selector_all(
            f'table[aria-label="{label}"] tbody tr',
            "rows => rows.map((row) => [...row.querySelectorAll('td')].map((cell) => cell.textContent))",
        )
        return np.array([[float(text.replace("−", "-")) for text in row] for row in rows])

    def result(self) -> float:
        """The sum that is written out for the output shown."""
        return float(self.text(".ex-result").replace("−", "-"))

    def query(self) -> dict[str, str]:
        """The parameters in the address, once they stand there."""
        return self.page.evaluate("() => Object.fromEntries(new URLSearchParams(location.search))")

    def wait_for_query(self, **parameters: str | None) -> None:
        """Wait until the address holds these; None stands for a parameter that it does not hold."""
        self.page.wait_for_function(
            """(wanted) => {
              const held = new URLSearchParams(location.search);
              return Object.entries(wanted).every(([name, value]) => held.get(name) === value);
            }""",
            arg=parameters,
        )

"""Animated SVG: a finished drawing whose parts are given times, in a document that needs nothing else.

It is one more player of the contract in `tweakconv.view.drawing`: what ``static/player.js`` sets at each step is
written down here as SMIL animations, which run where scripts do not, as in an ``<img>`` of a README. Readers who
prefer reduced motion see the last step.
"""

from __future__ import annotations

import copy
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from tweakconv.view.drawing.cells import CELL, letter_size, window_place
from tweakconv.view.drawing.flat import PRODUCT, expression_lines
from tweakconv.view.drawing.markup import number
from tweakconv.view.drawing.tilted import beam_points
from tweakconv.view.expression import show_number
from tweakconv.view.look import Look
from tweakconv.view.scene import Scene

_SLIDE: Final = 0.3  # of a step the window is on its way
_MANY: Final = 600  # cells
_EASE: Final = ".4 0 .2 1"
_NAMESPACE: Final = ' xmlns="http://www.w3.org/2000/svg"'
_RULES: Final = (
    ".tc-still{display:none}"
    "@media (prefers-reduced-motion:reduce){.tc-moving{display:none}.tc-still{display:inline}.tc-shown{clip-path:none}}"
)


@dataclass(frozen=True, slots=True)
class Timeline:
    """When each step begins, as parts of the time after which all begins anew.

    Parameters
    ----------
    steps
        The steps to show, in order.
    seconds
        How long each is shown; the last one is shown twice as long.
    """

    steps: range
    seconds: float

    @property
    def total(self) -> float:
        """Seconds from one beginning to the next."""
        return self.seconds * (len(self.steps) + 1)

    def start(self, index: int) -> float:
        """When the step of this index begins, from 0 to 1."""
        return index / (len(self.steps) + 1)

    def jumping(self, attribute: str, values: Sequence[str]) -> Element:
        """An attribute that has a value for each step and changes at once; equal neighbours are written once."""
        kept = [0, *(index for index in range(1, len(values)) if values[index] != values[index - 1])]
        return self._discrete(attribute, {self.start(index): values[index] for index in kept})

    def sliding(self, name: str, attribute: str, values: Sequence[str], **more: str) -> Element:
        """An attribute that rests at a value for each step and slides from one to the next."""
        slide = _SLIDE / (len(self.steps) + 1)
        times = [0.0]
        for index in range(1, len(values)):
            times += [self.start(index) - slide, self.start(index)]
        rests = [value for value in values for _ in range(2)]
        splines = [_EASE if before != after else "0 0 1 1" for before, after in pairwise(rests)]
        return self._animation(
            name,
            attributeName=attribute,
            calcMode="spline",
            values=";".join(rests),
            keyTimes=";".join(map(_time, [*times, 1.0])),
            keySplines=";".join(splines),
            **more,
        )

    def visible_at(self, index: int) -> Element:
        """What makes a hidden element visible during the step of this index."""
        changes = {0.0: "hidden", self.start(index): "visible"}
        if index + 1 < len(self.steps):
            changes[self.start(index + 1)] = "hidden"
        return self._discrete("visibility", changes)

    def _discrete(self, attribute: str, changes: Mapping[float, str]) -> Element:
        return self._animation(
            "animate",
            attributeName=attribute,
            calcMode="discrete",
            values=";".join(changes.values()),
            keyTimes=";".join(map(_time, changes)),
        )

    def _animation(self, name: str, **attributes: str) -> Element:
        return Element(name, attributes, dur=f"{number(self.total)}s", repeatCount="indefinite")


def animated_svg(scene: Scene, look: Look | None = None, *, seconds: float = 0.8, steps: range | None = None) -> str:
    """The steps of a scene as one SVG document that moves by itself.

    Parameters
    ----------
    scene, look
        What, and how: the width does not matter.
    seconds
        How long a step is shown; the last one twice as long.
    steps
        Consecutive steps to show, None for all.

    Returns
    -------
    str
        Without scripts, links or fonts of its own.

    Examples
    --------
    >>> from tweakconv.geometry import ConvGeometry
    >>> from tweakconv.view.scene import make_scene
    >>> document = animated_svg(make_scene(ConvGeometry.of((5, 5), 3, strides=2, padding="same")))
    >>> len(document) < 40_000, "<script" in document
    (True, False)
    """
    look = Look() if look is None else look
    timeline = Timeline(range(scene.steps) if steps is None else steps, seconds)
    drawing = look.drawing(scene, timeline.steps[-1])
    root = ElementTree.fromstring(drawing.replace(_NAMESPACE, "", 1))
    parents = {child: parent for parent in root.iter() for child in parent}
    name = f"tc-{zlib.crc32(drawing.encode()):08x}"

    for style in root.iter("style"):
        style.text = f"{style.text}{_RULES}"
    _move_window(scene, timeline, root, parents)
    _move_beam(scene, timeline, root, parents)
    _fill_outputs(scene, timeline, root, name)
    _write_numbers(scene, timeline, root, parents)
    _join_small_cells(root)
    for element in root.iter():
        for attribute in [key for key in element.attrib if key.startswith("data-")]:
            del element.attrib[attribute]
    root.set("xmlns", "http://www.w3.org/2000/svg")
    return ElementTree.tostring(root, encoding="unicode")


def _move_window(scene: Scene, timeline: Timeline, root: Element, parents: dict[Element, Element]) -> None:
    places = [window_place(scene, step) for step in timeline.steps]
    for window in _found(root, "data-moves", "window"):
        moving = _twin_that_moves(window, parents)
        moving.append(timeline.sliding("animateTransform", "transform", places, type="translate"))


def _move_beam(scene: Scene, timeline: Timeline, root: Element, parents: dict[Element, Element]) -> None:
    sides = list(zip(*(beam_points(scene, step) for step in timeline.steps), strict=True))
    for beam in _found(root, "data-beam"):
        moving = _twin_that_moves(beam, parents)
        moving.append(timeline.sliding("animate", "points", sides[int(beam.attrib["data-beam"])]))


def _fill_outputs(scene: Scene, timeline: Timeline, root: Element, name: str) -> None:
    """Put all outputs under a window in a cover, full rows and the beginning of one, that grows step by step."""
    (plane,) = _found(root, "data-plane", "output")
    shown = Element("g", {"class": "tc-shown", "clip-path": f"url(#{name})"})
    layers = [layer for layer in plane if layer.tag == "g"]
    cells, still_to_do = layers[0], Element("g")
    for layer in layers:
        plane.remove(layer)
        shown.append(layer)
        for element in list(layer):
            place = int(element.attrib["data-row"]) * scene.output.cols + int(element.attrib["data-col"])
            first_class = element.attrib["class"].split()[0]
            if layer is cells:
                SubElement(still_to_do, "rect", element.attrib | {"class": f"{first_class} tc-todo"})
            if place > timeline.steps[-1]:
                layer.remove(element)
            element.set("class", f"{first_class} tc-done")

    reached = [scene.output_at(step) for step in timeline.steps]
    row, col = reached[-1]
    cover = Element("clipPath", id=name)
    above = SubElement(cover, "rect", width=f"{scene.output.cols * CELL}", height=f"{row * CELL}")
    above.append(timeline.jumping("height", [f"{row * CELL}" for row, _ in reached]))
    within = SubElement(cover, "rect", y=f"{row * CELL}", width=f"{(col + 1) * CELL}", height=f"{CELL}")
    within.append(timeline.jumping("y", [f"{row * CELL}" for row, _ in reached]))
    within.append(timeline.jumping("width", [f"{(col + 1) * CELL}" for _, col in reached]))

    ring = Element("rect", {key: cells[0].attrib[key] for key in ("x", "y", "width", "height", "rx")})
    ring.set("class", "tc-ring tc-still")
    ring.set("transform", f"translate({col * CELL} {row * CELL})")
    moving = Element("rect", ring.attrib | {"class": "tc-ring tc-moving"})
    places = [f"{col * CELL} {row * CELL}" for row, col in reached]
    moving.append(timeline.sliding("animateTransform", "transform", places, type="translate"))
    for index, element in enumerate((cover, still_to_do, shown, ring, moving)):
        plane.insert(index, element)


def _write_numbers(scene: Scene, timeline: Timeline, root: Element, parents: dict[Element, Element]) -> None:
    """The products and the sum of the flat view: written for each step, one of them visible at a time."""
    expressions = [scene.expression(step) for step in timeline.steps]
    for still in _found(root, "data-text", "products"):
        moving = _twin_that_moves(still, parents)
        places = {(int(text.attrib["data-row"]), int(text.attrib["data-col"])): text.attrib for text in still}
        moving.clear()
        moving.attrib |= {"class": "tc-moving tc-product-value", "font-size": still.attrib["font-size"]}
        for index, expression in enumerate(expressions):
            shown = SubElement(moving, "g", visibility="hidden")
            shown.append(timeline.visible_at(index))
            for term in expression.terms:
                content = show_number(term.product)
                kept = {key: places[term.ky, term.kx][key] for key in ("x", "y", "dy")}
                if (size := letter_size(content, PRODUCT)) < PRODUCT:
                    kept["font-size"] = number(size)
                SubElement(shown, "text", kept).text = content
    for still in _found(root, "data-text", "sum"):
        moving = _twin_that_moves(still, parents)
        most, fits = int(still.attrib["data-terms"]), int(still.attrib["data-fits"])
        moving.tag, spans = "g", list(moving)
        for span in spans:
            moving.remove(span)
        for index, expression in enumerate(expressions):
            shown = SubElement(moving, "text", visibility="hidden")
            shown.append(timeline.visible_at(index))
            for line, span in zip(expression_lines(expression, most, fits), spans, strict=False):
                SubElement(shown, "tspan", x=span.attrib["x"], y=span.attrib["y"]).text = line


def _join_small_cells(root: Element) -> None:
    """Where cells are so many that their round corners are too small to be seen, one path for all of a kind."""
    for parent in list(root.iter("g")):
        if len(parent) < _MANY or any(child.tag != "rect" or len(child) for child in parent):
            continue
        joined: dict[str, list[str]] = {}
        for cell in parent:
            x, y, side = (cell.attrib[key] for key in ("x", "y", "width"))
            joined.setdefault(cell.attrib["class"], []).append(f"M{x} {y}h{side}v{side}h-{side}z")
        parent[:] = []
        for class_, boxes in joined.items():
            SubElement(parent, "path", {"class": class_, "d": "".join(boxes)})


def _twin_that_moves(still: Element, parents: dict[Element, Element]) -> Element:
    """A copy of an element, before it, that is shown in its place to those who want motion."""
    moving = copy.deepcopy(still)
    parent = parents[still]
    parent.insert(list(parent).index(still), moving)
    for element, part in ((still, "tc-still"), (moving, "tc-moving")):
        element.set("class", f"{element.attrib.get('class', '')} {part}".strip())
    return moving


def _found(root: Element, attribute: str, value: str | None = None) -> list[Element]:
    """The elements that have an attribute, or a value of it, as a list that stays while the tree changes."""
    return [
        element for element in root.iter() if attribute in element.attrib and value in (None, element.get(attribute))
    ]


def _time(part: float) -> str:
    """A part of the whole in as many digits as tell thousands of steps apart."""
    return f"{part:.6f}".rstrip("0").rstrip(".").removeprefix("0") or "0"

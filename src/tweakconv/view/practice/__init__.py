"""Exercises about convolutions: made from a kind, a level and a seed, and checked by the geometry.

Nothing is kept between two calls. `make_exercise(kind, level, seed)` gives the question, and `check(kind, level,
seed, answer)` makes the same exercise again and judges the answer. Seeds 0, 1, 2, ... give different questions until
every one of the kind and level has been asked: a page that counts up from a random number never asks one twice.
`solve(kind, level, seed)` gives a right answer, for whoever prints a sheet of exercises with its solutions.

`kinds()` lists what there is::

    [{"kind": "output_size", "title": "What size comes out?", "about": "...", "levels": [1, 2, 3]}, ...]

``make_exercise(...).as_json()``, which never holds the answer::

    {"kind": "output_size", "level": 2, "seed": 7, "title": "What size comes out?",
     "question": "A kernel moves over an image. What size comes out?",
     "given": [["input", "28 × 28"], ["kernel", "3 × 3"], ["strides", "2"], ...],     # the facts, as a table
     "code": null | ["input", "  5  2  1", ...],      # lines to show as they stand
     "state": null | {...},                           # a layer to draw beside the question, at rest
     "answer": FORM}

FORM is one of::

    {"form": "numbers", "fields": [{"name": "height", "label": "rows", "least": 1, "most": 9999}, ...]}
        # the answer is {"height": 13, "width": 13}; integers
    {"form": "choice", "options": [{"value": "a", "label": "padding=1", "code": true}, ...], "several": true}
        # the answer is a list such as ["a", "c"], which may be empty
    {"form": "cells", "rows": 5, "columns": 5, "label": "pixels of the input", "least": 0}
        # the answer is [[0, 1], [2, 2]]: (row, column) of each cell chosen, in any order
    {"form": "line", "lines": ["...", ...], "first": 1}
        # the answer is the number of a line, counting from `first`

``check(...).as_json()``::

    {"right": false,
     "headline": "Not quite.",
     "hint": "9 is the number of steps. The first window takes no step ...",    # what went wrong; null where right
     "mistake": "no_plus_one",           # a word for the particular slip; null where right or where it is unknown
     "explanation": ["...", ...],        # the whole way, with the numbers
     "solution": "10 × 10",              # one right answer in words: the one given, where that is right
     "state": null | {...},              # the layer that shows it moving
     "step": null | 4,                   # the output at which to begin, in reading order; null plays from the start
     "layers": null | {"input_size": [28, 28], "layers": [...]}}      # for stacks: what `view.layers.many_layers` takes

Where `state` is null `layers` is not. An answer that cannot be read at all (another form, not an integer) is a
ValueError or TypeError in words, to be shown beside the form; it is not counted as wrong.

A *state* is a layer in Keras' words, as `ConvGeometry.of` and `.transposed` take them, with the seed of its numbers,
and the step and the view where they matter::

    {"input_size": [5, 5], "kernel_size": [3, 3], "strides": [2, 2], "padding": "same" | [[1, 1], [0, 2]],
     "dilation_rate": [1, 1], "transposed": false, "output_padding": null | [1, 1], "groups": 1, "in_channels": 1,
     "out_channels": 1, "padding_mode": "zeros", "seed": 0, "step": 4, "view": "flat"}
"""

from tweakconv.view.practice.exercise import Exercise, Verdict
from tweakconv.view.practice.service import LEVELS, check, kinds, make_exercise, solve

__all__ = ["LEVELS", "Exercise", "Verdict", "check", "kinds", "make_exercise", "solve"]

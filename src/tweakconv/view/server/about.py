"""What there is to choose from: kernels, samples, paddings, exercises, and the limits."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

import tweakconv
from tweakconv.geometry import PADDING_MODES, PADDINGS
from tweakconv.kernels import LIBRARY, parse_kernel
from tweakconv.value_range import RANGES
from tweakconv.view import practice
from tweakconv.view.limits import LIMITS
from tweakconv.view.parameters import Parameters
from tweakconv.view.server.answers import in_words, json_answer
from tweakconv.view.server.pictures import SAMPLE_PREFIX, kernel_facts
from tweakconv.view.server.samples import SAMPLES, sample
from tweakconv.view.state.picture import PICTURE_PADDING_MODES


def about_answer(parameters: Parameters) -> Response:
    """Everything that the page's controls offer."""
    with in_words(()):
        parameters.finish()
    answer = {
        "version": tweakconv.__version__,
        "limits": LIMITS._asdict(),
        "paddings": PADDINGS,
        "padding_modes": PADDING_MODES,
        "picture_padding_modes": PICTURE_PADDING_MODES,
        "kernels": [
            {"name": entry.name, "usage": entry.usage, "summary": entry.summary}
            | kernel_facts(parse_kernel(entry.name, files=False))
            for entry in LIBRARY.values()
        ],
        "ranges": RANGES,
        "samples": [_sample(name) for name in SAMPLES],
        "exercises": practice.kinds(),
    }
    return json_answer(answer)


def _sample(name: str) -> dict[str, Any]:
    picture = sample(name)
    assert picture is not None
    height, width = picture.size
    summary = SAMPLES[name].summary
    return {"picture": f"{SAMPLE_PREFIX}{name}", "name": name, "summary": summary, "height": height, "width": width}

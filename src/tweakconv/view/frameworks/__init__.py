r"""The same layer as code for Keras, PyTorch, JAX, ONNX and tweakconv, with a line where a framework differs.

Every piece of code is a whole program: it makes an input ``x`` and the layer, and runs it once to give ``y``. Where a
framework refuses the layer, the code takes a way around, and a note says what is refused and what the way around
costs; where a framework's own short spelling would read different pixels, a note says which.

`code_for` takes the arguments of `ConvGeometry.of` and `ConvGeometry.transposed` as they are written (the name of a
padding stays a name in the code where the framework knows it) and answers with a `Snippet` for each framework.
`Snippet.as_json` is::

    {"framework": "keras", "name": "Keras", "code": "import keras\n...", "layout": "channels last; ...",
     "refuses": false, "notes": ["Keras refuses strides with ...", ...]}
"""

from tweakconv.view.frameworks.snippets import FRAMEWORKS, code_for
from tweakconv.view.frameworks.written_layer import Snippet

__all__ = ["FRAMEWORKS", "Snippet", "code_for"]

"""The explorer's server: the page, and a JSON interface over scenes, pictures, layers and exercises.

`app.make_app` builds the application and `running.serve` runs it on an address. The server keeps nothing of a visitor
but the pictures that were sent to it, in memory, for a while, under names that cannot be guessed; every answer follows
from the request alone, so tabs cannot disturb each other.

Requests
--------
Parameters are those of a query string. They have the names of the arguments of `tweakconv.ConvGeometry.of`, so that an
error of the geometry names a parameter. What is left out has its default; what is unknown is refused. The page's own
address takes the same parameters, besides ``tab``: ``/?tab=layer&input_size=5x7&strides=2``. `tweakconv.view.state`
reads and writes them.

Every ``GET`` below also answers a ``POST`` with the parameters in an ``application/x-www-form-urlencoded`` body, for
edits that are too many for an address; parameters in the address of a ``POST`` are refused.

======================  ================================================================================================
one layer               ``S`` below: ``/api/scene``, ``/api/export`` and the page with ``tab=layer``
``input_size``          ``5x7`` (height x width), or ``28`` for one axis; default ``5x5``
``kernel_size``         ``3`` for every axis, or ``3x2``; default 3
``strides``             ``2`` or ``2x1``; default 1
``dilation_rate``       the same; default 1
``padding``             ``valid`` (default), ``same``, ``same_lower``, ``full``, ``causal`` (one axis); ``1`` for every
                        side, ``1,2`` for height and width, ``1:2,0:3`` for (before, after) of each axis
``padding_mode``        ``zeros`` (default), ``constant``, ``reflect``, ``symmetric``, ``edge``, ``wrap``
``pad_value``           what ``constant`` holds; default 0
``transposed``          ``1`` for a transposed convolution; default ``0``
``output_padding``      of a transposed one: ``1`` or ``1x0``; as Keras decides where left out
``in_channels``         default 1, as ``out_channels`` and ``groups``
``output_channel``      the one drawn, default 0; ``input_channel``: the one drawn of those it reads, default the first
``seed``                a whole number that the values of input and kernel are drawn from; default 0
``input_edits``         cells with a value of their own, in the channel that is drawn: ``0.3:7,2.1:-4`` puts 7 into row
                        0, column 3, and -4 into row 2, column 1
``kernel_edits``        the same for the weights, as they are stored
``view``                ``tilted`` (default) or ``flat``
``step``                the output cell shown, in reading order from 0; default 0
``pin``                 the output cell pinned, or left out
``theme``               ``auto`` (default; as the viewer's system says), ``light`` or ``dark``
======================  ================================================================================================

======================  ================================================================================================
on a picture            ``P`` below: ``/api/picture`` and the page with ``tab=picture``
``picture``             ``sample:NAME`` (see ``/api/about``) or the name that ``POST /api/pictures`` gave; default the
                        first sample
``kernel``              a name such as ``sobel-x`` or ``gaussian:7,1.5``, or a matrix, ``1 0 -1; 2 0 -2; 1 0 -1``;
                        default ``sobel-x``. Never a file.
``strides`` ...         ``strides``, ``dilation_rate``, ``padding`` (default ``same``), ``padding_mode`` as above
``value_range``         ``auto`` (default), ``clip``, ``abs``, ``stretch`` or ``midgrey``
``flip``, ``grey``,     ``1`` or ``0`` (default)
``normalize``
======================  ================================================================================================

======================  ================================================================================================
many layers             ``L`` below: ``/api/layers`` and the page with ``tab=layers``
``input_size``          as above; default ``28x28``
``layer``               one for each layer, in order: words separated by spaces, the window's size first, then in any
                        order ``s2`` or ``s2x1`` (strides), ``d2`` (dilation rate) and a padding as above:
                        ``layer=3x3+s2+same&layer=3+d2+1``. Pooling layers are written the same way.
``output``              row and column of the last layer's output whose field is drawn, ``3x4``; default the middle one
``theme``               as above
======================  ================================================================================================

Answers
-------
Those of ``/api`` are JSON where nothing else is said.

``GET /``, ``GET /static/NAME``
    The page, and the packaged files of a fixed table; ``/static/drawing.css`` is the style sheet of the drawings.
``GET /api/about``
    ``{"version", "limits": {NAME: number}, "kernels": [{"name", "usage", "summary", "label", "rows", "columns",
    "weights", "sum"}], "paddings", "padding_modes", "picture_padding_modes", "samples": [{"picture", "name", "summary",
    "height", "width"}], "ranges": {NAME: summary}, "exercises"}``; the limits are those of `tweakconv.view.limits`, the
    exercises what `tweakconv.view.practice.kinds` lists.
``GET /api/scene?S``
    ``{"query", "state", "scene", "svg", "code", "warnings"}``: the shortest query string that means the same; every
    parameter with its value, also those left out; the scene (`tweakconv.view.scene`); the drawing, to be put into the
    page and played by ``player.js``; ``{FRAMEWORK: {"code", "notes"}}``; sentences.
``GET /api/export?S[&format=svg|gif|png][&still=1][&seconds=0.8]``
    A file to be saved (``Content-Disposition: attachment``). ``svg`` and ``gif`` move, ``seconds`` a step; ``png``, and
    ``svg`` with ``still=1``, show ``step``. In ``png`` and ``gif`` the theme ``auto`` is light.
``GET /api/kernel?kernel=TEXT[&normalize=1]``
    ``{"label", "rows", "columns", "weights", "sum"}``.
``POST /api/pictures``
    The body is the bytes of a PNG or JPEG file. ``201 {"picture", "height", "width", "channels", "notes",
    "seconds_kept"}``. It is kept in memory until it has not been asked for during ``seconds_kept``, or others need the
    room.
``DELETE /api/pictures/NAME``
    ``204``, whether it was there or not.
``GET /api/picture?P[&format=raw|png]``
    ``raw`` (default): the bytes of the result, red, green, blue, opacity for each pixel, row by row: what ``ImageData``
    holds. The header ``Tweakconv-Result`` is JSON: ``{"height", "width", "input": [height, width], "output": [height,
    width], "pads": [[top, bottom], [left, right]], "channels", "formula": [height's, width's], "unread",
    "unread_fraction", "multiply_adds", "report", "kernel_sum", "compute_ms", "total_ms", "threads"}``. ``png``: a file
    to be saved, of as many channels as the picture has. A picture that is no longer held is a 410: send it again.
``GET /api/layers?L``
    ``{"query", "state", ...}`` and what `tweakconv.view.layers.many_layers` says of the chain.
``GET /api/exercise?kind=KIND&level=1&seed=0``
    What `tweakconv.view.practice.make_exercise` makes, without its answer, and ``"query"``: that of its state, to be
    shown as one layer, or null.
``GET /api/exercise/check?kind=KIND&level=1&seed=0&answer=JSON``
    What `tweakconv.view.practice.check` says, and ``"query"`` as above.

Errors
------
What is wrong with a request is answered with a 4xx and ``{"error": sentence, "argument": parameter or null}``.
400: a parameter, or a damaged picture; 403: a request from another site; 404, 405: no such thing; 408: the body came
too slowly; 410: the picture is not held any more; 413: a body that is too long; 415: a body of another type; 421: a
Host that is not this server's; 429: more is being sent at once than there is memory for. Requests wait for their turn.
"""

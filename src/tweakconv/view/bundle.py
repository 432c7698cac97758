"""The page's files for the notebook widget: its modules as one, for a widget loads a single one.

No build tool is needed for that: the modules import names from each other and export what they declare, and nothing
else. Each becomes a function that returns what it exports; they are called in the order of their imports.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Final

_IMPORT: Final = re.compile(r'^import \{([^}]*)\} from "\./([\w-]+\.js)";\n', re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (?=(?:async )?(?:function|const|class) (\w+))", re.MULTILINE)


@cache
def bundle(entry: str) -> str:
    r"""A packaged module with everything that it imports.

    Parameters
    ----------
    entry
        Its file name. What it exports as default is what the bundle does.

    Examples
    --------
    >>> bundled("a.js", {
    ...     "a.js": 'import { two } from "./b.js";\nexport default two;\n',
    ...     "b.js": "export const two = 2;\n",
    ... }.__getitem__).splitlines()  # doctest: +NORMALIZE_WHITESPACE
    ['const b_js = (() => {', 'const two = 2;', 'return { two };', '})();',
     'const { two } = b_js;', 'export default two;']
    """
    return bundled(entry, packaged)


def packaged(name: str) -> str:
    """The text of a file of the page."""
    return resources.files("tweakconv.view").joinpath("static", name).read_text(encoding="utf-8")


def bundled(entry: str, read: Callable[[str], str]) -> str:
    """A module with everything that it imports, `read` giving the text of each by its name."""
    finished: dict[str, str] = {}

    def finish(name: str) -> None:
        if name in finished:
            return
        finished[name] = ""  # a module is put before what imports it, once
        text = read(name)
        for imported in _IMPORT.finditer(text):
            finish(imported[2])
        del finished[name]
        finished[name] = _plain(text) if name == entry else _function(name, text)

    finish(entry)
    return "".join(finished.values())


def _function(name: str, text: str) -> str:
    """A module as a constant that holds what it exports."""
    exported = ", ".join(_EXPORT.findall(text))
    return f"const {_constant(name)} = (() => {{\n{_EXPORT.sub('', _plain(text))}return {{ {exported} }};\n}})();\n"


def _plain(text: str) -> str:
    """A module that takes from constants what it imported."""
    return _IMPORT.sub(lambda found: f"const {{{found[1].replace(' as ', ': ')}}} = {_constant(found[2])};\n", text)


def _constant(name: str) -> str:
    return re.sub(r"\W", "_", name)

"""Write docs/settings.md from the traits of the extension: `python -m scripts.settings_page`.

`tests/docs/test_docs.py` compares the page with the traits, so it cannot lag behind.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from traitlets import Enum, TraitType

from jupyter_chat_stream.shared.config import ChatStream
from scripts.frontend import ROOT

PAGE = ROOT / "docs" / "settings.md"
# Everything below this line is written by this module.
MARK = "<!-- Below: written by `python -m scripts.settings_page`, from the help of each trait. -->"


def main() -> int:
    """Write the page again."""
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


def written(page: str) -> str:
    """Return the page with its generated part as it must be now."""
    head, mark, _ = page.partition(MARK)
    if not mark:
        raise ValueError(f"{PAGE.name} does not hold the line: {MARK}")
    return f"{head}{MARK}\n\n" + "\n".join(sections()).rstrip("\n") + "\n"


def sections() -> Iterator[str]:
    """Write a section for each setting, in the order of the class."""
    for name, trait in settings().items():
        yield f"### `{name}`\n"
        yield f"*{kind_of(trait)}. Default: `{trait.default_value!r}`.*\n"
        yield f"{trait.help}\n"


def settings() -> dict[str, TraitType]:  # type: ignore[type-arg]
    """Return the traits that can be configured, in the order in which they are written."""
    traits = ChatStream.class_traits(config=True)
    own = [name for name in vars(ChatStream) if name in traits]
    return {name: traits[name] for name in own}


def kind_of(trait: TraitType) -> str:  # type: ignore[type-arg]
    """Name the values that a setting takes."""
    if isinstance(trait, Enum):
        return "One of " + ", ".join(f"`{value}`" for value in trait.values or ())
    kinds = {
        "Unicode": "Text",
        "Int": "Whole number",
        "Float": "Number",
        "Bool": "Yes or no",
        "Dict": "Object",
        "JsonDict": "Object",
        "List": "List of texts",
    }
    kind = kinds[type(trait).__name__]
    least, most = getattr(trait, "min", None), getattr(trait, "max", None)
    bounds = [f"at least {least}"] if least is not None else []
    bounds += [f"at most {most}"] if most is not None else []
    named = f"{kind} ({', '.join(bounds)})" if bounds else kind
    return f"{named} or `None`" if trait.allow_none else named


if __name__ == "__main__":
    sys.exit(main())

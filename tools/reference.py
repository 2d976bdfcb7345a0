"""Writes the pages of docs/reference/ that are made from the program itself.

    python tools/reference.py

Commands from typer, parameters from `Plan().described()`, and a page for each public room with
every public record and function. tests/test_reference.py fails when a page is not what this gives.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from enum import Enum
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import calcimetry
from calcimetry.plan import Plan

PAGES = Path(__file__).resolve().parents[1] / "docs" / "reference"
MADE = "<!-- Made by `python tools/reference.py`; change the program, not this page. -->\n\n"
ROOMS = {
    "records": "Records",
    "plan": "The plan",
    "errors": "Errors",
    "scan": "Reading scans",
    "edits": "Corrections",
    "exchange": "Documents and files",
    "report": "The report",
    "followup": "Follow-up",
    "clinic": "The clinic",
    "quantity": "Numbers",
    "anatomy": "Anatomy",
    "deposits": "The finder",
    "describe": "What can be said of a piece",
    "runs": "Runs",
    "phantom": "Phantoms",
}
"""Public rooms by module, with the titles of their pages."""


def pages() -> dict[str, str]:
    """Every page by its name below docs/reference/."""
    made = {"cli.md": _commands(), "plan.md": _parameters(), "api/calcimetry.md": _top()}
    return made | {f"api/{room}.md": _room(room, title) for room, title in ROOMS.items()}


def public_names(module: ModuleType) -> list[str]:
    """A room's public names: its `__all__`, else every class and function that is its own."""
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return [name for name in sorted(listed) if not name.startswith("__")]
    return [name for name, value in vars(module).items() if _own(name, value, module)]


def _own(name: str, value: Any, module: ModuleType) -> bool:
    known = inspect.isclass(value) or inspect.isfunction(value)
    return known and not name.startswith("_") and value.__module__.startswith(module.__name__)


def _top() -> str:
    names = public_names(calcimetry)
    text = "The names of `import calcimetry as cm`; each is imported when it is first used.\n\n"
    return MADE + "# calcimetry\n\n" + text + _entries("calcimetry", names)


def _room(room: str, title: str) -> str:
    module = import_module(f"calcimetry.{room}")
    head = f"# {title}: `calcimetry.{room}`\n\n{inspect.getdoc(module)}\n\n"
    return MADE + head + _entries(module.__name__, public_names(module))


def _entries(module: str, names: list[str]) -> str:
    home = import_module(module)
    return "".join(f"::: {module}.{name}\n" + _values(getattr(home, name)) for name in names)


def _values(kind: Any) -> str:
    """What an enumeration may be; each value under a heading of its own would fill a page."""
    if not (inspect.isclass(kind) and issubclass(kind, Enum)):
        return ""
    return "\nOne of " + ", ".join(f"`{item.value}`" for item in kind) + ".\n\n"


def _parameters() -> str:
    text = (
        "# Parameters of the plan\n\nWhat a plan may set (`--plan FILE`, TOML: tables are the "
        "sections below; [how](../how-to/plan.md)). `calcimetry info` prints the same.\n"
    )
    for section, parameters in Plan().described().items():
        text += f"\n## {section}\n\n"
        text += "| name | default | bounds | meaning and source |\n|---|---|---|---|\n"
        for name, about in parameters.items():
            unit = f" {about['unit']}" if "unit" in about else ""
            source = f". Source: {about['source']}" if "source" in about else ""
            said = _cell(about["text"] + source)
            text += f"| `{name}` | {about['default']}{unit} | {_bounds(about)} | {said} |\n"
    return MADE + text


def _bounds(about: dict[str, Any]) -> str:
    if "choices" in about:
        return ", ".join(f"`{choice}`" for choice in about["choices"])
    return f"{about['low']} to {about['high']}" if "low" in about else ""


def _commands() -> str:
    import typer

    from calcimetry.cli import app

    top: Any = typer.main.get_command(app)
    text = (
        "# Commands\n\n"
        f"{top.help}\n\n`calcimetry COMMAND --help` says the same; `calcimetry --version` the "
        "version. `--debug` anywhere shows tracebacks. Exit codes: "
        "[outputs](../outputs.md#exit-codes).\n"
    )
    for name, command in top.commands.items():
        arguments = " ".join(_upper(p) for p in command.params if not _is_option(p))
        text += f"\n## {name}\n\n{_cell(command.help)}\n\n"
        text += f"```\ncalcimetry {' '.join(filter(None, (name, arguments)))} [OPTIONS]\n```\n\n"
        rows = "".join(_rows(command))
        text += f"| option | says | if left out |\n|---|---|---|\n{rows}" if rows else ""
    return MADE + text


def _rows(command: Any) -> Iterator[str]:
    for param in command.params:
        words = [_upper(param)] if not _is_option(param) else list(param.opts)
        value = "" if not _is_option(param) or param.is_flag else " " + _upper(param)
        spelled = ", ".join(f"`{word}{value}`" for word in words)
        yield f"| {spelled} | {_cell(param.help or '')} | {_default(param)} |\n"


def _is_option(param: Any) -> bool:
    return str(param.opts[0]).startswith("-")


def _upper(param: Any) -> str:
    several = param.nargs != 1 or getattr(param, "multiple", False)
    return str(param.name).upper() + "..." * several


def _default(param: Any) -> str:
    if param.required:
        return "must be given"
    if isinstance(param.default, bool) or not isinstance(param.default, str | int | float | tuple):
        return ""  # nothing, in whichever way this version of typer says so
    values = param.default if isinstance(param.default, tuple) else (param.default,)
    return "`" + " ".join(str(value) for value in values) + "`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> None:
    for name, text in pages().items():
        path = PAGES / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

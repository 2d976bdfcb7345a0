"""Weights that ship: taken only where they are those that their card states."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from calcimetry.errors import InputError


def checked(weights: Path, *, besides: str = "") -> bytes:
    """The content of a file of weights, whose digest ``.card.json`` beside it states.

    besides : a remedy other than to install again

    Raises InputError WEIGHTS_DAMAGED where either is missing or not as it was shipped.
    """
    card = weights.with_suffix(".card.json")
    try:
        stated = json.loads(card.read_text(encoding="utf-8"))["sha256"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        found = f"no model card that can be read ({type(error).__name__})"
        raise _damaged(found, card, besides) from error
    try:
        content = weights.read_bytes()
    except OSError as error:
        found = f"no weights that can be read ({type(error).__name__})"
        raise _damaged(found, weights, besides) from error
    if hashlib.sha256(content).hexdigest() != stated:
        raise _damaged("weights of another digest than their card states", weights, besides)
    return content


def _damaged(found: str, where: Path, besides: str) -> InputError:
    return InputError(
        "WEIGHTS_DAMAGED",
        found=found,
        expected="the finder's weights as this version came with them",
        where=str(where),
        remedy="install calcimetry again" + (f"; {besides}" if besides else ""),
    )

"""The model card: what the weights were made from, how, how well they do, and their limits."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from calcimetry.deposits.resample import GRID_MM
from training.calibrate import Calibration
from training.loop import Recipe
from training.net import CHANNELS, WINDOWS
from training.shapes import menu
from training.sources import FOLDS, TEST, Case
from training.world import BODIES, LIMB_SCALES

VERSION = "4"
HISTORY = (
    "Version 1 was made from nothing in one seeded run of 15,525 steps, stopped and resumed "
    "while its settings were still being found. Version 2 began from version 1's exported weights "
    "and went on with small and faint deposits and cut fields drawn more often. Version 3 began "
    "from version 2's with other shapes and other paint (seed 1), a lower rate and a longer mean "
    "of the weights. Version 4 began from version 3's (recipe.start) twice, once on each fold of "
    "the patients, all limbs and the new trunks, necks and heads among them; with judged labels "
    "where natural foci had been left out, with what version 3 takes for deposits in those scans "
    "shown as objects, with a third window of HU for metal, from any phase of the grid and in all "
    "48 turns; what ships is the mean of both folds' weights. Its length was set while it ran. A "
    "run of the commands as they stand makes weights of the same kind, not the same bits."
)
LIMITS = (
    "Trained on CTs of 30 limbs and of 14 trunks, necks and heads of adults, and on phantoms: "
    "other anatomy, children and other scanners are untested.",
    "Deposits were painted, but for a handful of natural ones: shapes, textures and places that "
    "the painter does not make are found less well (see docs/finder-benchmark.md).",
    "What is natural was judged by non-radiologists, and what nobody judged counts as no deposit.",
    "Hands: one real CT holds a hand and wrist; finger bones came from phantoms.",
    "Calcium of vessels was left out of the loss where it was judged: it may look like a deposit "
    "to it; kinds are told apart after it.",
    "It looks at dense voxels only, at 1.5 mm: parts under about 3 mm may be missed.",
    "The weights that ship have seen every patient but those of the part `test`: what they say of "
    "the others is no measurement. That is what each fold's weights say of the other fold.",
    "Research use. Not validated against experts, and no medical device.",
)


def write(
    weights: Path,
    recipes: tuple[Recipe, ...],
    used: tuple[Case, ...],
    scale: Calibration,
    steps: tuple[int, ...],
) -> dict[str, Any]:
    """Write the weights' card beside them, ``.card.json`` and ``.card.md``.

    recipes, steps : of each run whose weights were averaged
    """
    card = {
        "name": "calcimetry finder",
        "version": VERSION,
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "license": "Apache-2.0",
        "task": "probability that a dense voxel of a CT is calcium deposit in soft tissue",
        "input": f"HU on a {GRID_MM} mm isotropic grid in cells of 2x2x2 voxels: (z, y, x, 8), "
        "numbers of cells multiples of 4",
        "architecture": {"channels": CHANNELS, "windows": WINDOWS},
        "recipe": [
            asdict(recipe) | {"steps_done": done}
            for recipe, done in zip(recipes, steps, strict=True)
        ],
        "generator": {"families": menu(), "limb_scales": LIMB_SCALES, "phantoms": BODIES},
        "data": [{"case": case.name, "part": case.fold, "source": case.terms} for case in used],
        "calibration": asdict(scale),
        "results": "docs/finder-benchmark.md",
        "history": HISTORY,
        "limits": LIMITS,
    }
    target = weights.with_suffix(".card.json")
    target.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    weights.with_suffix(".card.md").write_text(_prose(card), encoding="utf-8")
    return card


def _prose(card: dict[str, Any]) -> str:
    parts = []
    runs = [recipe["fold"] for recipe in card["recipe"]]
    for part in (*FOLDS, TEST):
        held = [d for d in card["data"] if d["part"] == part]
        name = f"fold {part}{', trained on' if part in runs else ''}" if part in FOLDS else part
        sources = sorted({d["source"] for d in held})
        names = ", ".join(d["case"] for d in held)
        parts.append(f"- **{name}**: {names}. " + " ".join(f"{s}." for s in sources))
    bins = "\n".join(
        f"| {k / 10:.1f}-{(k + 1) / 10:.1f} | {n} | {mean:.3f} | {true:.3f} |"
        for k, (n, mean, true) in enumerate(card["calibration"]["bins"])
    )
    return f"""# Model card: {card["name"]}, version {card["version"]}

SHA-256 `{card["sha256"]}`. License {card["license"]}. Made by `python -m training` and
`python -m training.merge`.

**Task.** {card["task"][0].upper() + card["task"][1:]}. Input: {card["input"]}.

**Labels** come from insertion: deposits of known shape, density and place are painted into CTs
of people without calcinosis, so that each voxel's truth is known. What is dense by nature is no
deposit, but for objects that non-radiologists judged to be; judged calcium of vessels, and what
they were not sure of, is left out of the loss. Paint also makes look-alikes that are no deposits.

**Data**, split by patient:

{chr(10).join(parts)}
- phantoms of hand, elbow, knee and shoulder without deposits, by `calcimetry.phantom`.

**Calibration.** Temperature {card["calibration"]["temperature"]:.2f} and shift of the logit
{card["calibration"]["shift"]:.2f}, fitted on dense voxels of
{", ".join(card["calibration"]["cases"])} with inserted deposits. Reliability there:

| probability | voxels | mean | truly deposit |
| --- | --- | --- | --- |
{bins}

**Making.** {card["history"]}

**Results**: {card["results"]}.

**Limits**

{chr(10).join("- " + limit for limit in card["limits"])}
"""

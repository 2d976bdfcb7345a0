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
from training.sources import Case
from training.world import BODIES, SCALES

VERSION = "3"
HISTORY = (
    "Version 1 was made from nothing in one seeded run of 15,525 steps, stopped and resumed "
    "while its settings were still being found. Version 2 began from version 1's exported weights "
    "(recipe.start) and went on for the steps named here with small and faint deposits and cut "
    "fields drawn more often; from step 6,975 trunks were shown without deposits more often; at "
    "step 14,400 the end was set to 24,000 instead of 30,000, and the rate began to fall. "
    "Version 3 began from version 2's with other shapes and other paint (seed 1), a lower rate "
    "that does not fall to nothing, and a longer mean of the weights; its length was set while it "
    "ran. Its file was later laid out anew with the same numbers, for speed. A run of the command "
    "as it stands makes weights of the same kind, not the same bits."
)
LIMITS = (
    "Trained on CTs of 16 limbs, one chest and one abdomen of adults, and on phantoms: other "
    "anatomy, children and other scanners are untested.",
    "Deposits were painted, not real: shapes, textures and places that the painter does not "
    "make are found less well (see the independent generator in docs/finder-benchmark.md).",
    "Hands: one real CT holds a hand and wrist; finger bones came from phantoms.",
    "Calcium of vessels, cartilage, stones and tumours looks like a deposit to it; kinds are "
    "told apart by rules after it.",
    "It looks at dense voxels only, at 1.5 mm: parts under about 3 mm may be missed.",
    "The test scans are not blind: ring sizes were widened after seeing STS_045, and vessels and "
    "trunks were given more weight after seeing false deposits on the test trunks. No test voxel "
    "was trained on.",
    "Research use. Not validated against experts, and no medical device.",
)


def write(
    weights: Path, recipe: Recipe, used: tuple[Case, ...], scale: Calibration, steps: int
) -> dict[str, Any]:
    """Write ``finder.card.json`` and ``finder.card.md`` beside the weights."""
    card = {
        "name": "calcimetry finder",
        "version": VERSION,
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "license": "Apache-2.0",
        "task": "probability that a dense voxel of a CT is calcium deposit in soft tissue",
        "input": f"HU on a {GRID_MM} mm isotropic grid in cells of 2x2x2 voxels: (z, y, x, 8), "
        "numbers of cells multiples of 4",
        "architecture": {"channels": CHANNELS, "windows": WINDOWS},
        "recipe": asdict(recipe) | {"steps_done": steps},
        "generator": {"families": menu(), "limb_scales": SCALES, "phantoms": BODIES},
        "data": [
            {"case": case.name, "part": case.part, "source": case.terms, "unsure": case.unsure}
            for case in used
        ],
        "calibration": asdict(scale),
        "results": "docs/finder-benchmark.md",
        "history": HISTORY,
        "limits": LIMITS,
    }
    target = weights.with_name("finder.card.json")
    target.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    weights.with_name("finder.card.md").write_text(_prose(card), encoding="utf-8")
    return card


def _prose(card: dict[str, Any]) -> str:
    parts = []
    for part in ("train", "validate", "test"):
        held = [d for d in card["data"] if d["part"] == part]
        sources = sorted({d["source"] for d in held})
        names = ", ".join(d["case"] for d in held)
        parts.append(f"- **{part}**: {names}. " + " ".join(f"{s}." for s in sources))
    bins = "\n".join(
        f"| {k / 10:.1f}-{(k + 1) / 10:.1f} | {n} | {mean:.3f} | {true:.3f} |"
        for k, (n, mean, true) in enumerate(card["calibration"]["bins"])
    )
    return f"""# Model card: {card["name"]}, version {card["version"]}

SHA-256 `{card["sha256"]}`. License {card["license"]}. Made by `python -m training`.

**Task.** {card["task"][0].upper() + card["task"][1:]}. Input: {card["input"]}.

**Labels** come from insertion: deposits of known shape, density and place are painted into CTs
of people without calcinosis, so that each voxel's truth is known. No expert outlined anything.

**Data**, split by patient:

{chr(10).join(parts)}
- phantoms of hand, elbow, knee and shoulder without deposits, by `calcimetry.phantom`.

Small natural foci whose nature is not sure, in {sum(d["unsure"] for d in card["data"])} of the
training scans, are left out of the loss.

**Calibration.** Temperature {card["calibration"]["temperature"]:.2f} and shift of the logit
{card["calibration"]["shift"]:.2f}, fitted on dense voxels of
{", ".join(card["calibration"]["cases"])} with inserted deposits. Reliability there:

| probability | voxels | mean | truly deposit |
| --- | --- | --- | --- |
{bins}

**Making.** {card["history"]}

**Results** on patients it never saw: {card["results"]}.

**Limits**

{chr(10).join("- " + limit for limit in card["limits"])}
"""

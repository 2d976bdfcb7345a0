"""Damaged texts end in an assessment (or a plan, events ...) or in an error with a code."""

from __future__ import annotations

import shutil
from collections import Counter

import pytest

pytest.importorskip("fhir")

from benchmarks.fuzz import texts


@pytest.mark.parametrize("seed", range(4))
def test_no_damaged_text_is_a_bug(tmp_path, seed):
    outcomes = Counter()
    for mutant in texts.mutants(seed, 50, tmp_path):
        outcome = texts.run(mutant)
        assert not outcome.startswith("BUG"), f"{mutant.name}: {outcome}"
        outcomes[outcome] += 1
        shutil.rmtree(mutant.folder)
    assert len(outcomes) > 3  # some are read, and some refused


def test_the_seeds_themselves_are_whole(tmp_path):
    """Else their damage would be told from nothing."""
    import json
    import random

    for kind, text in texts.TOMLS.items():
        path = tmp_path / f"{kind}.toml"
        path.write_text(text, "utf-8")
        texts.READERS[kind](path)
    path = tmp_path / "fhir.json"
    path.write_text(json.dumps(texts.bundle(random.Random(1))), "utf-8")
    found = texts.assess(labs=path)
    assert found.unknown == ()
    assert "warfarin" in found.history.terms


def test_the_same_seed_gives_the_same_mutants(tmp_path):
    made = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        made.append([m.file.read_bytes() for m in texts.mutants(7, 20, tmp_path / name)])
    assert made[0] == made[1]

"""Runs the studies; with --write, their tables and plots go into docs."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.finder.pictures import montage
from benchmarks.followup import plots, tables, trials
from benchmarks.followup.study import Job, Result, merged, more_trunks, spread, subjects
from benchmarks.followup.subjects import Drawn
from benchmarks.followup.visits import WAYS

from calcimetry.deposits import network

MARK = "<!-- measured -->"
JOINTS = tuple((("knee", "elbow")[k % 2], 60 + k) for k in range(8))


def main() -> None:
    asked = _arguments()
    found = _studies(asked)
    body = _text(found)
    if not asked.no_time:
        body += "\n" + _time()
    minutes = sum(result.seconds for result in found.values()) / 60
    body += f"\nThe studies take {minutes:.0f} minutes of one core.\n"
    print(body)
    _montages(merged(found.values()), asked.out)
    if asked.write:
        docs = asked.page.parent
        plots.draw(found["repeats"].outcomes, found["changes"].outcomes, docs / "img")
        text = asked.page.read_text(encoding="utf-8").split(MARK)[0]
        asked.page.write_text(f"{text}{MARK}\n\n{body}", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    root = Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser("python -m benchmarks.followup", description=__doc__)
    parser.add_argument("--data", type=Path, default=root.parent / "shared" / "data")
    parser.add_argument("--page", type=Path, default=root / "docs" / "followup-benchmark.md")
    parser.add_argument("--out", type=Path, default=root / "build" / "followup")
    parser.add_argument("--keep", type=Path, help="folder for measured visits, used again if there")
    parser.add_argument("--write", action="store_true", help="write the tables into the page")
    parser.add_argument(
        "--pairs", type=int, default=30, help="of known fate; 2 subjects of repeats per 3"
    )
    parser.add_argument("--no-time", action="store_true", help="leave the timing out")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--trunks", type=Path, help="folder that get-trunks filled: more subjects")
    parser.add_argument(
        "--seeds", type=int, default=0, help="other phantoms and deposits: what to set numbers on"
    )
    return parser.parse_args()


def _studies(asked: argparse.Namespace) -> dict[str, Result]:
    seeds, count = asked.seeds, -(-asked.pairs // 3)
    people = subjects(asked.data if asked.data.is_dir() else None, asked.pairs, seeds)
    more = more_trunks(asked.trunks) if asked.trunks else []
    jobs = [
        Job(work, subject, seeds + number, asked.keep)
        for work, all_of in (("fates", people), ("repeats", people[: 2 * count]))
        for number, subject in enumerate([*all_of, *more])
    ]
    joints = enumerate(JOINTS[: max(count, 2)], seeds)
    jobs += [Job("bends", Drawn(name, seeds + seed), k, asked.keep) for k, (name, seed) in joints]
    out: dict[str, list[Result]] = {}
    for job, results in spread(jobs, asked.jobs):
        for study, result in results.items():
            out.setdefault(study, []).append(result)
            wrong = len(result.tiles)
            print(f"{job.work} {job.subject.name} {study}: {wrong} wrong", flush=True)
    return {study: merged(results) for study, results in out.items()}


def _text(found: dict[str, Result]) -> str:
    fates, repeats, changes, bends = (
        found[name].outcomes for name in ("fates", "repeats", "changes", "bends")
    )
    net = network.load()
    pairs = len({(s.pair, s.kind) for s in found["fates"].sums})
    lineages = len(fates) // len(WAYS)
    again = len(found["repeats"].sums) // len(WAYS)
    parts = [
        f"Weights `{net.digest[:16] if net else 'none'}`.",
        f"## Fates\n\n{pairs} pairs, {lineages} lineages; "
        f"{len(tables.counted(fates)) // len(WAYS)} are neither cut by a field's edge nor too "
        f"small to be listed.\n\n{tables.fates(fates)}",
        f"Called gone or new, though their place is not in the other field:\n\n"
        f"{tables.outside(fates)}",
        f"What was said of the rest:\n\n{tables.wrong(fates)}",
        f"## False change\n\n{again} repeat pairs.\n\n"
        f"{tables.called(repeats, found['repeats'].sums)}",
        f"What two masses of one state differ by (95 %):\n\n{tables.spreads(repeats)}",
        f"## True change of 40 %\n\n{tables.changes(changes)}",
        "## Alignment\n\n"
        + tables.alignment(
            [
                ("knee and elbow, 30 degrees", bends),
                ("of these, at most 10 mm from bone", [o for o in bends if o.bone_mm <= 10]),
                ("of these, further from bone", [o for o in bends if o.bone_mm > 10]),
                ("phantoms of known fate", [o for o in fates if o.kind == "phantom"]),
                ("real CTs of known fate", [o for o in fates if o.kind == "real"]),
                ("repeats", repeats),
            ]
        ),
        f"## Answers\n\n{_cases()}",
    ]
    return "\n\n".join(parts) + "\n"


def _cases() -> str:
    rows = [[text, "yes" if right else "**no**"] for text, right in trials.cases()]
    return tables.table(["asked", "right"], rows)


def _time() -> str:
    t = trials.times()
    rows = [
        ["`cm.follow`, examinations in memory", f"{t.memory:.1f}"],
        ["`cm.follow`, from folders", f"{t.folders:.1f}"],
        ["`cm.measure`, first and second visit", f"{t.measure[0]:.1f}, {t.measure[1]:.1f}"],
    ]
    head = (
        f"## Time\n\nTwo trunks of 512 x 512 x 200, 50 deposits put into each; {t.found[0]} and "
        f"{t.found[1]} findings listed.\n\n"
    )
    return head + tables.table(["what", "s"], rows)


def _montages(result: Result, out: Path) -> None:
    for way in WAYS:
        chosen = [tile.picture for tile in result.tiles if tile.way == way]
        montage(_halved(chosen), out / f"wrong-{way.replace(' ', '-')}.png")


def _halved(pictures):  # type: ignore[no-untyped-def]
    """Pairs of crops as single tiles, in order."""
    return [half for p in pictures for half in (p[:, : p.shape[1] // 2], p[:, p.shape[1] // 2 :])]


if __name__ == "__main__":
    main()

"""Damaged FHIR Bundles, labs.csv and TOML files, each through the functions that read them.

The seeds are whole and valid. A mutant has one to three changes of its values (other types,
odd numbers and words, names gone, doubled or nested) or of its bytes (cut, flipped, another
encoding, gzip that is damaged).
"""

from __future__ import annotations

import copy
import gzip
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calcimetry.anatomy.labelmap import _scheme
from calcimetry.clinic import assess, assessment_document
from calcimetry.errors import CalcimetryError
from calcimetry.followup.events import read_events
from calcimetry.followup.repeatability import repeatability
from calcimetry.plan import Plan

DEEP = "@deep@"  # becomes lists within lists when the text is written
ODD: tuple[Any, ...] = (
    *(DEEP, DEEP),
    *(None, True, False, 0, -1, 5, 1.5, -0.0, 10**30, 10**400, 1e300, 5e-324),
    *("", " ", "x", "7.1", "NaN", "\u0000", "\ud83d", "\x1b]0;t\x07", "é" * 3000, "=1+1"),
    *([], {}, [[]], [None], [5], ["x"], {"a": 1}, [{"coding": 5}], {"coding": [None]}),
    *({"value": []}, {"resourceType": "Bundle"}, {"resourceType": "Bundle", "entry": 7}),
    *("0000-00-00", "9999-12-31", "0001-01-01", "2026-13-45", "2026", "1700-01-01", "2999-01-01"),
)
LITERALS = (b"NaN", b"-Infinity", b"1e999", b"1" * 5000, b"'x'", b"[" * 3000, b'{"a":' * 3000)
TOML_VALUES = (
    *("5", '"x"', "[]", "[[1]]", "{}", "nan", "inf", "-inf", "true", "1979-05-27", "07:32:00"),
    *(
        "0x" + "f" * 6000,
        "1" * 5000,
        "[" * 1500 + "]" * 1500,
        '"' + "y" * 100_000 + '"',
        '"\\u0000"',
    ),
    *('["M34.1", 5]', "[1.5]", "1e308", ".".join("a" * 900) + " = 1", "", "'''"),
)
CELLS = (
    *(
        "",
        "9,4",
        "<3",
        ">1e999",
        "nan",
        "1e400",
        "-0",
        "x" * 200_000,
        '"',
        '"a"b',
        "\0",
        "\r",
        "\n",
    ),
    *(
        "0000-00-00",
        "=cmd|' /C calc'!A0",
        "2777-1",
        "calcium",
        "mg/dL",
        "\u202e",
        ";",
        "\t",
        ",,,,",
    ),
)
LOINC = ("17861-6", "2777-1", "2160-0", "1751-7", "53982-5", "718-7")
HISTORY = """age = 56
sex = "F"
pregnant = false
conditions = ["M34.1", "systemic sclerosis"]
medications = ["warfarin"]
symptoms = ["pain"]
count = 12
[[scales]]
date = 2026-01-10
name = "pain"
value = 6
[[mawdsley]]
date = 2026-01-10
total = 41
[[radiograph_score]]
date = 2026-01-10
value = 20
[[radiograph_score]]
date = 2026-02-10
value = 30
"""
TOMLS = {
    "history": HISTORY,
    "plan": "[find]\nthreshold_hu = 150.0\nsmallest_voxels = 3\n[quantity]\nmatrix_hu = 40.0\n",
    "events": '[[left_out]]\nvisit = 1\ndeposit = 2\nreason = "cut"\n'
    '[[score]]\nvisit = 1\nname = "pain"\nvalue = 3\n',
    "repeatability": 'points = [[1.0, 20.0], [100.0, 5.0]]\nnever_below_mg = 1.0\ntext = "ours"\n',
    "scheme": 'title = "ours"\n[structures]\n1 = "femur_left"\n2 = "aorta"\n'
    '[kinds]\nbone = ["femur*"]\nvessel = ["aorta"]\n',
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A damaged file in a folder of its own; `kind` says what reads it."""

    name: str
    kind: str
    folder: Path
    file: Path


def mutants(seed: int, count: int, folder: Path) -> Iterator[Mutant]:
    """`count` damaged files, the same for the same seed."""
    for k in range(count):
        chance = random.Random(f"{seed}-{k}")
        kind = chance.choice(("fhir", "fhir", "fhir", "labs", *TOMLS))
        content, ending = _made(kind, chance)
        name = f"texts-{seed}-{k}-{kind}"
        place = folder / name
        place.mkdir()
        file = place / f"{kind}{ending}"
        file.write_bytes(content)
        yield Mutant(name, kind, place, file)


def run(mutant: Mutant) -> str:
    """What came of reading it."""
    try:
        READERS[mutant.kind](mutant.file)
    except CalcimetryError as error:
        str(error).encode()
        return error.code
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        return f"BUG {type(error).__name__}: {str(error)[:200]!r}"
    return "read"


def _assessed(**inputs: Any) -> None:
    document = assessment_document(assess(as_of="2026-11-23", **inputs))
    json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False).encode()


def _repeated(path: Path) -> None:
    repeatability(path).coefficient(10.0)


READERS: dict[str, Callable[[Path], object]] = {
    "fhir": lambda path: _assessed(labs=path),
    "labs": lambda path: _assessed(labs=path),
    "history": lambda path: _assessed(labs=bundle(random.Random(0)), history=path),
    "plan": Plan.from_toml,
    "events": read_events,
    "repeatability": _repeated,
    "scheme": _scheme,
}


def bundle(chance: random.Random) -> dict[str, Any]:
    """A whole Bundle with one resource of each kind that is read."""
    person = {"reference": "Patient/1"}
    icd10 = {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "M34.1", "display": "CREST"}
    resources = [
        {"resourceType": "Patient", "birthDate": "1960-02-03", "gender": "female"},
        *(_observation(code, chance) for code in chance.sample(LOINC, 3)),
        {
            "resourceType": "Condition",
            "subject": person,
            "code": {"coding": [icd10], "text": "CREST"},
            "clinicalStatus": {"coding": [{"code": "active"}]},
            "verificationStatus": {"coding": [{"code": "confirmed"}]},
        },
        {
            "resourceType": "Procedure",
            "status": "completed",
            "subject": person,
            "code": {"text": "hemodialysis"},
        },
        {
            "resourceType": "MedicationStatement",
            "status": "active",
            "subject": person,
            "medicationCodeableConcept": {"text": "Warfarin 5 MG Oral Tablet"},
        },
    ]
    entry = [{"resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": "collection", "entry": entry}


def _observation(code: str, chance: random.Random) -> dict[str, Any]:
    limits = {"low": {"value": 2.1, "unit": "mmol/L"}, "high": {"value": 2.6, "unit": "mmol/L"}}
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}], "text": "a result"},
        "subject": {"reference": "Patient/1"},
        "effectiveDateTime": "2026-11-01T08:00:00Z",
        "issued": "2026-11-01T09:00:00Z",
        "valueQuantity": {
            "value": round(chance.uniform(0.1, 12.0), 2),
            "comparator": "<",
            "unit": "mg/dL",
            "code": "mg/dL",
        },
        "interpretation": [{"coding": [{"code": "POS"}], "text": "positive"}],
        "referenceRange": [limits],
    }


def _made(kind: str, chance: random.Random) -> tuple[bytes, str]:
    if kind == "fhir":
        content = bundle(chance)
        for _ in range(chance.randint(1, 3)):
            content = _changed(content, chance)
        depth = chance.choice((50, 150, 1000, 5000, 100_000))
        nested = "[" * depth + "]" * depth
        raw, ending = json.dumps(content).replace(f'"{DEEP}"', nested).encode(), ".json"
    elif kind == "labs":
        raw, ending = _table(chance).encode("utf-8", "replace"), ".csv"
    else:
        raw, ending = _toml(TOMLS[kind], chance).encode(), ".toml"
    if chance.random() < 0.25:
        raw = _bytes(raw, chance)
    if kind == "fhir" and chance.random() < 0.2:
        packed = gzip.compress(raw, 1)
        raw, ending = (_bytes(packed, chance) if chance.random() < 0.7 else packed), ".json.gz"
    return raw, ending


def _changed(content: Any, chance: random.Random) -> Any:
    """The content with one place of it changed."""
    content = copy.deepcopy(content)
    places = list(_places(content))
    if not places:
        return chance.choice(ODD)
    holder, key = chance.choice(places)
    act = chance.randrange(5)
    if act <= 1:
        holder[key] = copy.deepcopy(chance.choice(ODD))
    elif act == 2:
        del holder[key]
    elif act == 3:
        other, name = chance.choice(places)
        holder[key] = copy.deepcopy(other[name])  # of a kind that stands elsewhere
    else:
        for _ in range(chance.choice((1, 2, 5, 30))):
            wrap = [holder[key]] if chance.random() < 0.5 else {"resourceType": "Bundle"}
            if isinstance(wrap, dict):
                wrap["entry"] = [{"resource": holder[key]}]
            holder[key] = wrap
    return content


def _places(content: Any) -> Iterator[tuple[Any, Any]]:
    holders = [content]
    while holders:
        holder = holders.pop()
        if isinstance(holder, dict | list):
            pairs = list(holder.items()) if isinstance(holder, dict) else list(enumerate(holder))
            yield from ((holder, key) for key, _ in pairs)
            holders.extend(value for _, value in pairs)


def _table(chance: random.Random) -> str:
    names = ["loinc", "name", "value", "unit", "date", "low", "high"]
    rows = [names] + [
        [chance.choice(LOINC), "calcium", "9.4", "mg/dL", "2026-11-01", "8.5", "10.2"]
        for _ in range(chance.choice((1, 3, 40)))
    ]
    for _ in range(chance.randint(1, 4)):
        row = chance.choice(rows)
        act = chance.randrange(4)
        if act == 0 and row:
            del row[chance.randrange(len(row))]
        elif act == 1:
            row.insert(chance.randrange(len(row) + 1), chance.choice(CELLS))
        elif row:
            row[chance.randrange(len(row))] = chance.choice(CELLS)
    between = chance.choice((",", ",", ";", "\t", "|"))
    return "\n".join(between.join(row) for row in rows)


def _toml(text: str, chance: random.Random) -> str:
    lines = text.splitlines()
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(lines))
        name = lines[at].partition("=")[0]
        act = chance.randrange(5)
        if act <= 2:
            lines[at] = f"{name}= {chance.choice(TOML_VALUES)}"
        elif act == 3:
            lines.insert(chance.randrange(len(lines)), lines[at])
        else:
            lines[at] = chance.choice(("", "[a]", "[[conditions]]", "[find.find]", "x = 1", "\0"))
    return "\n".join(lines)


def _bytes(raw: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(raw) + 1)
    act = chance.randrange(7)
    if act == 0:
        return raw[:at]
    if act == 1:
        return raw[:at] + bytes([chance.randrange(256)]) + raw[at + 1 :]
    if act == 2:
        return raw[:at] + chance.choice(LITERALS) + raw[at:]
    if act == 3:
        return raw.decode("utf-8", "replace").encode(
            chance.choice(("utf-16", "utf-8-sig", "utf-16-le"))
        )
    if act == 4:
        return raw[:at] + raw[at // 2 :]
    if act == 5:
        return chance.randbytes(chance.choice((0, 1, 40, 4000)))
    return raw + raw

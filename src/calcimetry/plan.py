"""The plan: every parameter of a measurement with its default, unit, bounds and source.

A plan is the only input beside data, and is written into every result, so that any number
can be made again. `Plan.from_toml` reads a user's changes: tables are the sections below.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from calcimetry.bounded import TextError, read_toml
from calcimetry.errors import UsageError


def parameter(
    default: Any,
    text: str,
    *,
    unit: str = "",
    source: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A field of the plan; bounds are inclusive, `choices` are for words."""
    about = {"text": text, "unit": unit, "source": source}
    return field(default=default, metadata=about | {"low": low, "high": high, "choices": choices})


AGATSTON_PROFILES = tuple(
    maker + spacing
    for spacing in ("", "-3mm")
    for maker in ("classic", "ge", "siemens", "philips", "canon")
)
"""Definitions of the Agatston score, by maker; `-3mm`: times slice spacing over 3 mm."""


@dataclass(frozen=True, slots=True)
class FindPlan:
    """How dense objects are found and told apart."""

    threshold_hu: float = parameter(
        130.0,
        "HU at and above which a voxel is dense",
        unit="HU",
        source="Agatston 1990, doi 10.1016/0735-1097(90)90282-T; no consensus for calcinosis",
        low=50,
        high=2000,
    )
    threshold_mg_cm3: float = parameter(
        0.0,
        "mineral density at and above which a voxel is dense; 0: threshold_hu is used. "
        "130 HU is 60 mg/cm3 in a hand at 80 kVp and 83 at 120",
        unit="mg/cm3",
        source="docs/quantity.md",
        low=0,
        high=1000,
    )
    smallest_mm3: float = parameter(
        4.0, "dense objects below this volume are not listed", unit="mm3", low=0, high=1000
    )
    smallest_voxels: int = parameter(
        3, "dense objects of fewer voxels are taken for noise", unit="voxels", low=1, high=1000
    )
    finder: str = parameter(
        "auto",
        "what tells deposits from bone; auto is the network where it can run, else rules",
        choices=("auto", "network", "rules"),
    )
    deposit_probability: float = parameter(
        0.25,
        "voxels of at least this probability, by the network, are deposit",
        source="docs/finder-benchmark.md",
        low=0.01,
        high=0.99,
    )
    cut_probability: float = parameter(
        0.6,
        "of a deposit that touches bone, voxels of at least this probability are its own; below "
        "about 0.5 a cut takes bone along, and masses are too large",
        source="docs/quantity-benchmark.md, on bone, cut by the finder",
        low=0.01,
        high=0.99,
    )
    peak_probability: float = parameter(
        0.35,
        "a deposit holds a voxel of at least this probability",
        source="docs/finder-benchmark.md",
        low=0.01,
        high=0.999,
    )

    def __post_init__(self) -> None:
        _settle(self)


@dataclass(frozen=True, slots=True)
class QuantityPlan:
    """How mass, volume and scores are taken."""

    agatston_profile: str = parameter(
        "classic",
        "definition of the Agatston score; see docs/quantity.md",
        choices=AGATSTON_PROFILES,
    )
    calibration: str = parameter(
        "auto",
        "what turns HU into mineral: auto is rods in the scan, else the slope that the user "
        "gave, else the table; user passes rods by; internal (fat and air) is experimental",
        choices=("auto", "rods", "user", "internal", "table"),
    )
    matrix_hu: float = parameter(
        40.0,
        "HU of the soft tissue inside a deposit, between its mineral",
        unit="HU",
        source="muscle and connective tissue; this project's choice",
        low=-50,
        high=120,
    )
    matrix_sd_hu: float = parameter(
        20.0, "1 SD of matrix_hu", unit="HU", source="this project's choice", low=0, high=100
    )
    rim_mm: float = parameter(
        0.0,
        "how far beyond a deposit's voxels its blur is collected; 0: by the point spread",
        unit="mm",
        source="2.4 SD beyond the true edge; docs/quantity.md",
        low=0,
        high=8,
    )
    shell_mm: float = parameter(
        4.0,
        "thickness of the shell beyond the rim that gives the background",
        unit="mm",
        source="this project's phantom study; docs/quantity-benchmark.md",
        low=1,
        high=15,
    )
    point_spread_mm: float = parameter(
        0.0,
        "full width at half maximum of the point spread in plane; 0: measured in the scan",
        unit="mm",
        low=0,
        high=5,
    )
    border_sd_mm: float = parameter(
        0.1,
        "1 SD of where the border of two tissues runs inside a deposit",
        unit="mm",
        source="this project's phantom study; docs/quantity-benchmark.md",
        low=0,
        high=3,
    )
    border_sd_share: float = parameter(
        0.025,
        "what is added to that, as a fraction of the deposit's diameter",
        source="this project's phantom study; docs/quantity-benchmark.md",
        low=0,
        high=0.5,
    )
    cut_sd_voxels: float = parameter(
        0.9,
        "1 SD of where the cut between a deposit and bone lies",
        unit="voxels",
        source="the finder's own cuts on real bones; docs/quantity-benchmark.md",
        low=0,
        high=3,
    )
    zero_test_z: float = parameter(
        1.645,
        "SDs of nothing that a mass must exceed to be told from none",
        source="Currie 1968, doi 10.1021/ac60259a007; error rates in docs/quantity-benchmark.md",
        low=0,
        high=6,
    )
    zero_test_look: float = parameter(
        5.0,
        "SDs of noise that its peak or its sum must exceed, since it was looked for everywhere",
        source="1-2 % of noise specks pass; docs/quantity-benchmark.md",
        low=0,
        high=10,
    )
    table_spread: float = parameter(
        0.15,
        "95 % half-width of the table's calibration, as a fraction",
        source="eight scanners at 120 kVp have SD 8 % about their mean; docs/quantity.md",
        low=0.01,
        high=1,
    )
    unknown_kvp_spread: float = parameter(
        0.25,
        "95 % half-width of the calibration when the tube voltage is unknown",
        source="100 to 140 kVp about 120; docs/quantity.md",
        low=0.01,
        high=1,
    )
    user_calibration_sd: float = parameter(
        0.02,
        "1 SD of a calibration that the user gave without one, as a fraction",
        source="five repeats on one scanner span 1-3 %; docs/quantity.md",
        low=0,
        high=1,
    )

    def __post_init__(self) -> None:
        _settle(self)


@dataclass(frozen=True, slots=True)
class Plan:
    """Every parameter of a measurement."""

    find: FindPlan = field(default_factory=FindPlan)
    quantity: QuantityPlan = field(default_factory=QuantityPlan)

    @classmethod
    def from_toml(cls, path: Path) -> Plan:
        """A plan from a TOML file; what it does not name keeps its default.

        Raises UsageError for a file that is missing or not TOML, for unknown names, and
        for values of the wrong type or out of bounds.
        """
        try:
            table = read_toml(path, finite=False)  # a parameter that is nan is named below
        except TextError as error:
            raise UsageError(
                "PLAN_UNREADABLE",
                found=str(error),
                expected="a TOML file",
                where=str(path),
                remedy="mend the file; `calcimetry info --json` prints every parameter",
            ) from error
        return cls.from_mapping(table, where=str(path))

    @classmethod
    def from_mapping(cls, table: Mapping[str, Any], *, where: str = "plan") -> Plan:
        """A plan from nested mappings, section by section."""
        plan = cls()
        for section, values in table.items():
            if section not in _SECTIONS or not isinstance(values, Mapping):
                raise _unknown(section, sorted(_SECTIONS), where)
            plan = plan.changed(section, values, where=where)
        return plan

    def changed(self, section: str, values: Mapping[str, Any], *, where: str = "plan") -> Plan:
        """This plan with some values of one section replaced, all of them checked."""
        part = getattr(self, section)
        known = {f.name: f for f in fields(part)}
        for name in values:
            if name not in known:
                raise _unknown(f"{section}.{name}", sorted(known), where)
        checked = {name: _checked(known[name], value, where) for name, value in values.items()}
        return replace(self, **{section: replace(part, **checked)})

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Values alone, section by section."""
        return dataclasses.asdict(self)

    def described(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Every parameter with value, default, unit, bounds, source and meaning."""
        return {
            section: {
                f.name: {"value": getattr(getattr(self, section), f.name), "default": f.default}
                | {key: value for key, value in f.metadata.items() if value not in ("", None, ())}
                for f in fields(getattr(self, section))
            }
            for section in _SECTIONS
        }

    def definitions(self) -> dict[str, dict[str, dict[str, Any]]]:
        """What each parameter is in this version: default, unit, source and meaning; no values.

        It is written beside the values into every result, so that a result read by a later
        version still tells what its parameters meant, and which were changed.
        """
        kept = ("default", "unit", "source", "text")
        return {
            section: {
                name: {key: about[key] for key in kept if key in about}
                for name, about in part.items()
            }
            for section, part in self.described().items()
        }


_SECTIONS = tuple(f.name for f in fields(Plan))


def _unknown(name: str, known: list[str], where: str) -> UsageError:
    return UsageError(
        "PLAN_UNKNOWN_NAME",
        found=f"'{name}'",
        expected="one of " + ", ".join(known),
        where=where,
        remedy="correct the name; `calcimetry info --json` prints every parameter",
    )


def _settle(part: Any) -> None:
    """Check a section's values where it is made, however it is made: before any work.

    Raises UsageError PLAN_BAD_VALUE.
    """
    for spec in fields(part):
        object.__setattr__(part, spec.name, _checked(spec, getattr(part, spec.name), "plan"))


def _checked(spec: dataclasses.Field[Any], value: Any, where: str) -> Any:
    kind = type(spec.default)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    low, high, choices = (spec.metadata[key] for key in ("low", "high", "choices"))
    fits = (
        isinstance(value, kind)
        and isinstance(value, bool) == (kind is bool)
        and (low is None or value >= low)
        and (high is None or value <= high)
        and (not choices or value in choices)
    )
    if fits:
        return value
    raise UsageError(
        "PLAN_BAD_VALUE",
        found=f"{spec.name} = {value!r}",
        expected=_expectation(kind, low, high, choices),
        where=where,
        remedy="correct the value",
    )


def _expectation(kind: type, low: Any, high: Any, choices: tuple[str, ...]) -> str:
    if choices:
        return "one of " + ", ".join(choices)
    limits = [f"at least {low}"] * (low is not None) + [f"at most {high}"] * (high is not None)
    return " ".join([kind.__name__, *limits])

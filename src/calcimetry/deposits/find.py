"""The finder: every dense object of a scan becomes a finding with kind, rule and confidence.

Dense objects are split by the network's probability (`split`); rules say what each component is,
with evidence computed as they need it (`classify`); then what they say of one another counts
(`neighbours`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.anatomy import (
    Anatomy,
    Body,
    LabelMap,
    Skeleton,
    anterior_fraction,
    bone_enclosure,
    bone_gaps,
    enhancement,
    find_bone,
    inside,
    skin_gaps,
    water_equivalent_diameter,
)
from calcimetry.deposits import network
from calcimetry.deposits.classify import EvidenceSteps, classify
from calcimetry.deposits.neighbours import mark_vessels, promote_satellites, rejoin_remainders
from calcimetry.deposits.reasons import Verdict
from calcimetry.deposits.rod import mark_rods
from calcimetry.deposits.rules import SURE
from calcimetry.deposits.split import Components, split_by_probability, unsplit
from calcimetry.describe.evidence import (
    Evidence,
    SampledObjects,
    axes,
    none_for_nan,
    sample_objects,
    structures_of,
    thicknesses,
    touches_field_edge,
)
from calcimetry.describe.surroundings import surroundings
from calcimetry.errors import UsageError
from calcimetry.plan import Plan
from calcimetry.records import LISTED, Finding, Flag, Objects, Runs, Scan
from calcimetry.runs import object_runs, objects_of, take
from calcimetry.threads import Jobs

TRUNK_MM = 230.0  # water-equivalent; of 30 limb and pelvis scans none has a median above 211

RULES_ALONE = Flag(
    "FINDER_RULES_ONLY",
    "The finder's network did not run: deposits that touch bone are counted as bone.",
)


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What the finder found: findings, the skeleton without deposits, flags.

    evidence : of each finding; that of listed kinds with surroundings and distances
    centroid : float64 (findings, 3), of each, as in `Objects`
    """

    findings: tuple[Finding, ...]
    evidence: tuple[Evidence, ...]
    centroid: NDArray[np.float64]
    skeleton: Skeleton
    flags: tuple[Flag, ...]

    @property
    def listed(self) -> list[int]:
        """The findings that are deposits or uncertain, by their number."""
        return [k for k, finding in enumerate(self.findings) if finding.kind in LISTED]


def find(
    scan: Scan,
    dense: Objects,
    body: Body,
    plan: Plan,
    probability: NDArray[np.float32] | None,
    *,
    labels: LabelMap | None = None,
    jobs: Jobs = 1,
) -> Found:
    """Findings for every dense object of at least the plan's smallest volume.

    dense : connected objects at the plan's threshold
    probability : of every dense voxel, see `network_probability`; None for rules alone
    labels : the user's anatomy label map; it outranks what is guessed from the images
    """
    if probability is None:
        components = unsplit(dense)
    else:
        components = split_by_probability(scan, dense, probability, plan.find, jobs=jobs)
    anatomy = Anatomy(body, _skeleton(scan, components, body, jobs), labels)
    number = np.flatnonzero(components.objects.voxels >= _fewest_voxels(scan, plan))
    objects = sample_objects(object_runs(components.objects, number.tolist()), scan.hu.shape)
    first = _first_evidence(scan, components, number, objects, anatomy)
    verdicts, evidence = classify(first, _steps(scan, objects, anatomy, plan, jobs))
    marked = mark_rods(scan, objects.runs, verdicts, evidence)
    verdicts = [verdict for verdict in marked if verdict is not None]
    verdicts = mark_vessels(scan, objects, verdicts, evidence)
    verdicts = rejoin_remainders(scan, objects, verdicts)
    verdicts = promote_satellites(scan, objects, verdicts)
    return Found(
        _findings(objects, verdicts),
        tuple(evidence),
        components.objects.centroid[number],
        anatomy.skeleton,
        (RULES_ALONE,) if probability is None else (),
    )


def _findings(objects: SampledObjects, verdicts: Sequence[Verdict]) -> tuple[Finding, ...]:
    pairs = zip(objects.runs, verdicts, strict=True)
    return tuple(Finding(runs, v.kind, v.reason, v.confidence, rule=v.rule) for runs, v in pairs)


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """The objects of one scan and the anatomy that they lie in: what evidence is taken from."""

    scan: Scan
    objects: SampledObjects
    anatomy: Anatomy
    threshold_hu: float
    jobs: Jobs


def _steps(
    scan: Scan, objects: SampledObjects, anatomy: Anatomy, plan: Plan, jobs: Jobs
) -> EvidenceSteps:
    """The evidence steps for the objects of one scan."""
    view = _View(scan, objects, anatomy, plan.find.threshold_hu, jobs)
    return EvidenceSteps(
        partial(_surroundings, view),
        partial(_thickness_and_bone, view),
        partial(_depth_and_enclosure, view),
    )


def _surroundings(
    view: _View, which: Sequence[int], evidence: Sequence[Evidence]
) -> list[Evidence]:
    """Evidence with what surrounds each object."""
    runs = [view.objects.runs[k] for k in which]
    shells = surroundings(view.scan, runs, view.threshold_hu, jobs=view.jobs)
    pairs = zip(evidence, shells, strict=True)
    return [seen.with_more(surroundings=shell) for seen, shell in pairs]


def _thickness_and_bone(
    view: _View, which: Sequence[int], evidence: Sequence[Evidence]
) -> list[Evidence]:
    """Evidence with what the rules of EARLY_SECOND_PASS ask for."""
    scan, anatomy, some = view.scan, view.anatomy, view.objects.subset(which)
    bone = none_for_nan(bone_gaps(anatomy.skeleton, some.points, some.bounds, jobs=view.jobs))
    contrast = enhancement(scan, anatomy.body, anatomy.skeleton)
    thick = thicknesses(scan, some.runs, jobs=view.jobs).tolist()
    return [
        seen.with_more(thickness_mm=thick[k], bone_distance_mm=bone[k], contrast_hu=contrast)
        for k, seen in enumerate(evidence)
    ]


def _depth_and_enclosure(
    view: _View, which: Sequence[int], evidence: Sequence[Evidence]
) -> list[Evidence]:
    """Evidence with what only the other rules of SECOND_PASS, and the place of a deposit, need."""
    scan, body, some = view.scan, view.anatomy.body, view.objects.subset(which)
    skin = none_for_nan(skin_gaps(body, scan, some.points, some.bounds, jobs=view.jobs))
    ringed = none_for_nan(bone_enclosure(view.anatomy.skeleton, body, some.centroids))
    front = none_for_nan(anterior_fraction(scan, body, some.centroids))
    return [
        seen.with_more(skin_depth_mm=skin[k], enclosure=ringed[k], front=front[k])
        for k, seen in enumerate(evidence)
    ]


def network_probability(
    scan: Scan, dense: Objects, body: Body, plan: Plan, *, jobs: Jobs = 1
) -> NDArray[np.float32] | None:
    """How probable it is that each dense voxel is deposit, by the finder's network.

    float32 (voxels,), in run order of `dense`; 0 where it was not worth asking. None where the
    network cannot run, or the plan wants rules alone.
    Raises UsageError NO_NETWORK when the plan asks for the network and it cannot run.
    """
    net = None if plan.find.finder == "rules" else network.load()
    if net is not None:
        asked = _worth_asking(scan, dense, body, plan)[dense.label - 1]
        probability = np.zeros(dense.runs.voxels, np.float32)
        lengths = dense.runs.stop - dense.runs.start
        found = network.probability(net, scan, take(dense.runs, asked), jobs=jobs)
        probability[np.repeat(asked, lengths)] = found
        return probability
    if plan.find.finder == "network":
        raise UsageError(
            "NO_NETWORK",
            found="no onnxruntime, or no weights",
            expected="both, as `pip install calcimetry` brings them",
            where="find.finder = network",
            remedy="install onnxruntime, or take find.finder = auto",
        )
    return None


def split_free(
    scan: Scan, runs: Runs, probability: NDArray[np.float32], plan: Plan, *, jobs: Jobs = 1
) -> tuple[list[Runs], list[Runs]]:
    """An object's deposits by the network's probability, and what is left of it.

    As `find` splits it, without the rules' word on what the parts are.

    probability : of every voxel of the object, in run order
    """
    dense = objects_of(scan.hu, runs)
    found = split_by_probability(scan, dense, probability, plan.find, jobs=jobs)
    pairs = list(zip(object_runs(found.objects), found.network_positive.tolist(), strict=True))
    return [part for part, own in pairs if own], [part for part, own in pairs if not own]


def _worth_asking(scan: Scan, dense: Objects, body: Body, plan: Plan) -> NDArray[np.bool_]:
    """Which objects the network's word can matter for: listed ones that touch the body."""
    asked = dense.voxels >= _fewest_voxels(scan, plan)
    number = np.flatnonzero(asked)
    objects = sample_objects(object_runs(dense, number.tolist()), scan.hu.shape)
    z, y, x = body.grid.of(objects.points).T
    asked[number] = objects.fraction_where(body.around[z, y, x]) > 0
    return asked


def _fewest_voxels(scan: Scan, plan: Plan) -> float:
    return max(plan.find.smallest_mm3 / scan.voxel_mm3, plan.find.smallest_voxels)


def _trunk_slices(scan: Scan, body: Body) -> NDArray[np.bool_]:
    """bool (z,): slices whose water-equivalent diameter is that of a trunk."""
    diameter = water_equivalent_diameter(scan, body)
    return np.asarray(np.nan_to_num(diameter) > TRUNK_MM)


def _skeleton(scan: Scan, components: Components, body: Body, jobs: Jobs) -> Skeleton:
    """The skeleton among the components.

    Deposits that were split off are left out: distances to bone must not count them. Whole
    objects that the network is sure of are no bone either.
    """
    sure = components.network_positive & (components.probability >= SURE)
    among = ~components.split_off & ~sure
    return find_bone(scan, components.objects, body, among=among, jobs=jobs)


def _first_evidence(
    scan: Scan,
    components: Components,
    number: NDArray[np.intp],
    sampled: SampledObjects,
    anatomy: Anatomy,
) -> list[Evidence]:
    """What is to be seen of each object itself, and where in the body it lies.

    number : of the components, the indices of those that are `sampled`
    """
    objects, voxels = components.objects, components.objects.voxels[number]
    trunk = _trunk_slices(scan, anatomy.body)[sampled.points[:, 0]]
    columns: dict[str, list[Any]] = {
        "voxels": voxels.tolist(),
        "volume_mm3": (voxels * scan.voxel_mm3).tolist(),
        "mean_hu": (objects.total[number] / voxels).tolist(),
        "peak_hu": objects.peak[number].tolist(),
        "axes_mm": list(map(tuple, axes(objects.moment[number], scan.spacing).tolist())),
        "fraction_in_body": sampled.fraction_where(inside(anatomy.body, sampled.points)).tolist(),
        "touches_field_edge": touches_field_edge(objects)[number].tolist(),
        "skeletal": anatomy.skeleton.members[number].tolist(),
        "contrast_given": [scan.acquisition.contrast] * len(number),
        "in_trunk": (sampled.fraction_where(trunk) > 0.5).tolist(),
        "structure": structures_of(scan, anatomy.labels, sampled),
        "deposit_probability": none_for_nan(components.probability[number]),
        "network_positive": components.network_positive[number].tolist(),
        "split_off": components.split_off[number].tolist(),
    }
    rows = zip(*columns.values(), strict=True)
    return [Evidence(**dict(zip(columns, row, strict=True))) for row in rows]

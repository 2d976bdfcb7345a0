"""The finder: every dense object of a scan becomes a finding with kind, rule and confidence.

The network answers for voxels, and cuts deposits from the bone that they touch (`split`); rules say
what geometry surely knows (`rules`); the object stage answers for the objects that are left, from
their features (`features`, `object_stage`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.anatomy import (
    Anatomy,
    Body,
    LabelMap,
    Skeleton,
    bone_enclosure,
    bone_gaps,
    enhancement,
    find_bone,
    inside,
    skin_gaps,
    water_equivalent_diameter,
)
from calcimetry.deposits import network, object_stage
from calcimetry.deposits.features import features
from calcimetry.deposits.neighbours import end_list, mark_vessels
from calcimetry.deposits.network import Answer, Network
from calcimetry.deposits.object_stage import ObjectStage, judge
from calcimetry.deposits.reasons import Verdict
from calcimetry.deposits.rod import mark_rods
from calcimetry.deposits.rules import SURE, decided, within_noise
from calcimetry.deposits.split import Components, split_by_probability, unsplit
from calcimetry.describe.evidence import (
    Evidence,
    SampledObjects,
    axes,
    edge_distances,
    none_for_nan,
    sample_objects,
    structures_of,
    thicknesses,
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
    answer: Answer | None,
    *,
    labels: LabelMap | None = None,
    stage: ObjectStage | None = None,
    jobs: Jobs = 1,
) -> Found:
    """Findings for every dense object of at least the plan's smallest volume.

    dense : connected objects at the plan's threshold
    answer : of the network, see `ask_network`; None for geometry alone
    labels : the user's anatomy label map; it outranks what is guessed from the images
    stage : the object stage; the shipped one unless given
    """
    seen = look(scan, dense, body, plan, answer, labels=labels, jobs=jobs)
    stage = stage or object_stage.load(network=answer is not None)
    judged = judge(stage, seen.features, [seen.evidence[k] for k in seen.candidates])
    named = dict(zip(seen.candidates, judged, strict=True))
    verdicts = [v or named[k] for k, v in enumerate(seen.verdicts)]
    verdicts = mark_vessels(scan, seen.objects, verdicts, seen.evidence)
    verdicts = end_list(verdicts, seen.evidence)
    return Found(
        _findings(seen.objects, verdicts),
        tuple(seen.evidence),
        seen.centroid,
        seen.anatomy.skeleton,
        (RULES_ALONE,) if answer is None else (),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """The dense objects of a scan before the object stage judges them.

    evidence : of each object; that of candidates with all steps
    verdicts : of the rules; None of candidates
    centroid : float64 (objects, 3), (z, y, x)
    candidates : those without a verdict, by index; features : float64 (candidates, names)
    """

    objects: SampledObjects
    evidence: list[Evidence]
    verdicts: list[Verdict | None]
    centroid: NDArray[np.float64]
    anatomy: Anatomy
    candidates: list[int]
    features: NDArray[np.float64]


def look(
    scan: Scan,
    dense: Objects,
    body: Body,
    plan: Plan,
    answer: Answer | None,
    *,
    labels: LabelMap | None = None,
    jobs: Jobs = 1,
) -> Seen:
    """Objects, what the rules say of them, and the features of those that the rules leave open."""
    components = _components(scan, dense, body, plan, answer, jobs)
    anatomy = Anatomy(body, _skeleton(scan, components, body, jobs), labels)
    number = np.flatnonzero(components.objects.voxels >= _fewest_voxels(scan, plan))
    objects = sample_objects(object_runs(components.objects, number.tolist()), scan.hu.shape)
    evidence = _first_evidence(scan, components, number, objects, anatomy)
    view = _View(scan, objects, anatomy, plan.find.threshold_hu, jobs)
    verdicts = [decided(seen) for seen in evidence]
    evidence = _updated(view, evidence, _open(verdicts), _surroundings)
    verdicts = [v or within_noise(e) for v, e in zip(verdicts, evidence, strict=True)]
    verdicts = mark_rods(scan, objects.runs, verdicts, evidence)
    evidence = _updated(view, evidence, _listed(verdicts), _distances)
    candidates = _open(verdicts)
    table = features(
        scan,
        anatomy,
        objects.subset(candidates),
        [evidence[k] for k in candidates],
        answer,
    )
    centroid = components.objects.centroid[number]
    return Seen(objects, evidence, verdicts, centroid, anatomy, candidates, table)


def _open(verdicts: Sequence[Verdict | None]) -> list[int]:
    return [k for k, verdict in enumerate(verdicts) if verdict is None]


def _listed(verdicts: Sequence[Verdict | None]) -> list[int]:
    """Those open or listed: the place of each may be reported."""
    return [k for k, v in enumerate(verdicts) if v is None or v.kind in LISTED]


def _components(
    scan: Scan, dense: Objects, body: Body, plan: Plan, answer: Answer | None, jobs: Jobs
) -> Components:
    if answer is None:
        return unsplit(dense)

    def bones(among: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return find_bone(scan, dense, body, among=among, jobs=jobs).members

    return split_by_probability(scan, dense, answer.probability, plan.find, bones, jobs=jobs)


def _findings(objects: SampledObjects, verdicts: Sequence[Verdict]) -> tuple[Finding, ...]:
    pairs = zip(objects.runs, verdicts, strict=True)
    return tuple(
        Finding(runs, v.kind, v.reason, v.confidence, rule=v.rule, likeness=v.likeness)
        for runs, v in pairs
    )


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """The objects of one scan and the anatomy that they lie in: what evidence is taken from."""

    scan: Scan
    objects: SampledObjects
    anatomy: Anatomy
    threshold_hu: float
    jobs: Jobs


Step = Callable[["_View", Sequence[int], Sequence[Evidence]], list[Evidence]]


def _updated(
    view: _View, evidence: Sequence[Evidence], which: Sequence[int], step: Step
) -> list[Evidence]:
    """The evidence, with what a step adds to that of some objects."""
    updated = list(evidence)
    for k, more in zip(which, step(view, which, [evidence[k] for k in which]), strict=True):
        updated[k] = more
    return updated


def _surroundings(
    view: _View, which: Sequence[int], evidence: Sequence[Evidence]
) -> list[Evidence]:
    """Evidence with what surrounds each object."""
    runs = [view.objects.runs[k] for k in which]
    shells = surroundings(view.scan, runs, view.threshold_hu, jobs=view.jobs)
    pairs = zip(evidence, shells, strict=True)
    return [seen.with_more(surroundings=shell) for seen, shell in pairs]


def _distances(view: _View, which: Sequence[int], evidence: Sequence[Evidence]) -> list[Evidence]:
    """Evidence with how thick each object is, how far from bone and skin, and amid what."""
    scan, anatomy, jobs = view.scan, view.anatomy, view.jobs
    body, skeleton, some = anatomy.body, anatomy.skeleton, view.objects.subset(which)
    bone = none_for_nan(bone_gaps(skeleton, some.points, some.bounds, jobs=jobs))
    skin = none_for_nan(skin_gaps(body, scan, some.points, some.bounds, jobs=jobs))
    ringed = none_for_nan(bone_enclosure(skeleton, body, some.centroids))
    contrast = enhancement(scan, body, skeleton)
    thick = thicknesses(scan, some.runs, jobs=jobs).tolist()
    return [
        seen.with_more(
            thickness_mm=thick[k],
            bone_distance_mm=bone[k],
            skin_depth_mm=skin[k],
            enclosure=ringed[k],
            contrast_hu=contrast,
        )
        for k, seen in enumerate(evidence)
    ]


def ask_network(
    scan: Scan,
    dense: Objects,
    body: Body,
    plan: Plan,
    *,
    net: Network | None = None,
    jobs: Jobs = 1,
) -> Answer | None:
    """What the finder's network says of the dense voxels: probability 0 where it was not worth
    asking. None where the network cannot run, or the plan wants rules alone.

    net : the shipped one unless given

    Raises UsageError NO_NETWORK when the plan asks for the network and it cannot run.
    """
    net = None if plan.find.finder == "rules" else net or network.load()
    if net is not None:
        asked = _worth_asking(scan, dense, body, plan)[dense.label - 1]
        lengths = dense.runs.stop - dense.runs.start
        answer = network.ask(net, scan, take(dense.runs, asked), jobs=jobs)
        probability = np.zeros(dense.runs.voxels, np.float32)
        probability[np.repeat(asked, lengths)] = answer.probability
        return replace(answer, dense=dense.runs, probability=probability)
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
    found = split_by_probability(
        scan, dense, probability, plan.find, lambda among: among, jobs=jobs
    )
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
        "edge_mm": edge_distances(objects, scan.spacing)[number].tolist(),
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

"""The benchmark of nature: objects meet what was judged of them, and guises are the same matter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from benchmarks.finder.nature import folds, page, painted_tables, tables
from benchmarks.finder.nature.folds import PHANTOM, Folds
from benchmarks.finder.nature.guises import GUISES, Listing, compared, stored_otherwise
from benchmarks.finder.nature.judged import NOT_JUDGED, examined
from benchmarks.finder.nature.kept import kept
from benchmarks.finder.nature.matching import Judged, gaps, read_judged, same_place
from benchmarks.finder.nature.scans import Case, cases
from benchmarks.finder.nature.sensitivity import Fate, bone_gap, thick, within_bones
from scipy import ndimage
from training.sources import cases as trained

from calcimetry.deposits import network, object_stage
from calcimetry.records import Frame, Kind, Scan, Tier
from calcimetry.runs import from_mask
from calcimetry.scan import from_array

SPACING = (2.0, 1.0, 0.8)


def _affine(spacing=SPACING, origin=(-40.0, -30.0, 100.0)):
    affine = np.diag([*spacing[::-1], 1.0])
    affine[:3, 3] = origin
    return affine


def _blob(at=(20.0, 30.0, 36.0), shape=(40, 60, 72)):
    """A smooth bright ball in soft tissue, its middle at a voxel position (z, y, x)."""
    index = np.indices(shape).transpose(1, 2, 3, 0)
    far = np.linalg.norm((index - at) * SPACING, axis=-1)
    soft = 40 + 10 * np.sin(index.sum(axis=-1))  # none is as even as what was masked
    return from_array(soft + 800 * np.exp(-((far / 5.0) ** 2)), affine=_affine())


def _bright_middle(scan: Scan) -> np.ndarray:
    weight = np.clip(scan.hu - 140.0, 0, None)
    index = np.array(np.nonzero(weight))
    return scan.to_lps((index * weight[weight > 0]).sum(axis=1) / weight.sum())


@pytest.mark.parametrize("guise", GUISES)
def test_matter_keeps_its_place_in_every_guise(guise):
    scan = _blob()
    make, turn = GUISES[guise]
    other = make(scan)
    place = turn[:3, :3] @ _bright_middle(scan) + turn[:3, 3]
    assert np.linalg.norm(_bright_middle(other) - place) < 0.15
    excess = [(np.clip(s.hu - 140.0, 0, None)).sum() * s.voxel_mm3 for s in (scan, other)]
    assert excess[1] == pytest.approx(excess[0], rel=0.02)


def test_guises_are_other_grids_or_other_values():
    scan = _blob()
    for name, (make, _) in GUISES.items():
        other = make(scan)
        same = other.hu.shape == scan.hu.shape and np.array_equal(other.hu, scan.hu)
        same_grid = same and np.allclose(other.affine, scan.affine)
        # A reader must undo these two, and so they are the same scan again.
        assert same_grid == (name in ("as DICOM", "stored in another order")), name


def test_an_array_that_is_stored_otherwise_really_is():
    scan = _blob(at=(12.0, 40.0, 20.0))
    stored = stored_otherwise(scan).stored
    assert stored.axes != (2, 1, 0)
    assert sum(stored.flipped) == 2


def _judged(place, *, mass=10.0, diameter=4.0, judgement="vascular", case="A", volume=40.0):
    return Judged(
        case, place, volume, mass, diameter, judgement, judgement == "true", 0.9, "deposit", None
    )


def _ball(shape, at, radius_mm, spacing=SPACING):
    index = np.indices(shape).transpose(1, 2, 3, 0)
    return np.linalg.norm((index - at) * spacing, axis=-1) <= radius_mm


@pytest.fixture
def frame():
    return Frame.of((40, 60, 72), _affine())


def test_gaps_are_from_a_voxels_face(frame):
    mask = np.zeros(frame.shape, bool)
    mask[10, 20, 30] = True
    at = np.array([[10, 20, 30], [10, 20.4, 30], [12, 20, 30], [10, 23, 30]], float)
    # Voxels are 2 mm high and 1 mm deep: from a middle two slices up, 3 mm to the face.
    assert gaps(frame, from_mask(mask), frame.to_lps(at)) == pytest.approx([0, 0, 3, 2.5])


def test_far_gaps_are_at_least_those_to_the_box(frame):
    mask = _ball(frame.shape, (20, 30, 36), 6)
    far = frame.to_lps(np.array([[2.0, 2.0, 2.0]]))
    exact = np.linalg.norm((np.argwhere(mask) - [2, 2, 2]) * SPACING, axis=1).min()
    assert 0.7 * exact < gaps(frame, from_mask(mask), far)[0] <= exact


def test_an_object_is_what_was_judged_in_it_then_near_it(frame):
    runs = from_mask(_ball(frame.shape, (20, 30, 36), 6))
    inside = tuple(frame.to_lps(np.array([20, 30, 36])).tolist())
    rim = tuple(frame.to_lps(np.array([20, 34, 36])).tolist())
    beside = tuple(frame.to_lps(np.array([20, 38, 36])).tolist())
    away = tuple(frame.to_lps(np.array([20, 42, 36])).tolist())
    heavy, light = _judged(rim, mass=90.0), _judged(inside, mass=3.0)
    near, far = _judged(beside, mass=500.0), _judged(away)
    assert same_place(frame, runs, [far, near, light, heavy]) == [heavy, light, near]


def test_the_middle_of_a_big_judged_object_may_be_far_off(frame):
    runs = from_mask(_ball(frame.shape, (20, 30, 36), 2))
    away = tuple(frame.to_lps(np.array([20, 38, 36])).tolist())
    assert same_place(frame, runs, [_judged(away, diameter=18.0)])
    assert not same_place(frame, runs, [_judged(away, diameter=6.0)])


def test_judged_objects_are_read(tmp_path):
    names = (
        "scan,x_mm,y_mm,z_mm,volume_130_mm3,mass_mg,diameter_mm,judgement,is_true,sureness,"
        "called,readers_agree"
    )
    rows = ["S,1,2,3,40,5,4,true,1,0.9,deposit,0", "S,1,2,9,40,,4,vascular,0,0.5,uncertain,"]
    (tmp_path / "judged.csv").write_text("\n".join([names, *rows]) + "\n")
    first, second = read_judged(tmp_path / "judged.csv")["S"]
    assert (first.true, first.agree, first.mass_mg) == (True, False, 5.0)
    assert (second.true, second.agree, second.place) == (False, None, (1.0, 2.0, 9.0))


def _deposit(scan, mask, kind=Kind.DEPOSIT, confidence=0.95, mass=20.0):
    """As much of a `Deposit` as is asked for."""
    tier = Tier.UNCERTAIN if kind is Kind.UNCERTAIN else Tier.SURE
    middle = tuple(scan.to_lps(np.argwhere(mask).mean(axis=0)).tolist())
    return SimpleNamespace(
        kind=kind, tier=tier, rule="ISOLATED", confidence=confidence, runs=from_mask(mask),
        centroid_mm=middle, mass_mg=SimpleNamespace(value=mass), likeness="vessel",
    )  # fmt: skip


@pytest.fixture
def result():
    """A true object that is called, one that is bone, a vessel called, and one never judged."""
    scan = _blob()
    masks = [_ball(scan.hu.shape, at, 4) for at in ((8, 12, 15), (8, 45, 15), (30, 12, 60))]
    lost = _ball(scan.hu.shape, (30, 45, 60), 4)
    listed = (
        _deposit(scan, masks[0]),
        _deposit(scan, masks[1], mass=60.0),
        _deposit(scan, masks[2], Kind.UNCERTAIN, 0.5),
    )
    bone = SimpleNamespace(runs=from_mask(lost), kind=Kind.BONE, volume_mm3=300.0)
    totals = SimpleNamespace(unlisted=4)
    exam = SimpleNamespace(listed=listed, objects=(bone,), frame=scan.frame, totals=totals)
    places = [tuple(scan.to_lps(np.argwhere(m).mean(axis=0)).tolist()) for m in (*masks, lost)]
    volume = masks[0].sum() * scan.voxel_mm3
    known = [
        _judged(places[0], judgement="true", volume=2 * volume),
        _judged(places[1], judgement="vascular"),
        _judged(places[3], judgement="true", volume=volume),
    ]
    case = Case("A", Path("a"), "limbs", "knee")
    return examined(case, scan, known, lambda *_: exam)


def test_every_listed_object_has_its_judgement(result):
    assert [row.judgement for row in result.rows] == ["true", "vascular", NOT_JUDGED]
    assert [row.called for row in result.rows] == [True, True, False]
    assert [row.false_alarm for row in result.rows] == [False, True, False]


def test_the_true_are_called_by_volume_or_lost_to_a_kind(result):
    shares = [(t.called, t.listed, t.kind) for t in result.truths]
    assert shares == [(0.5, 0.5, "deposit"), (0.0, 0.0, "bone")]
    assert [kind for _, kind in result.fates] == ["deposit", "deposit", "bone"]


def test_precision_with_and_without_vascular_calcium(result):
    row = next(
        line for line in tables.precision(result.rows).splitlines() if "deposit" in line[:20]
    )
    assert "1/1 = 100 %" in row
    assert "1/2 = 50 %" in row
    assert "25 %" in row  # by mass: 20 of 80 mg
    assert "| limbs | 1 | 1.00, 1 | 0.00, 0 | 1.00, 1 |" in tables.false_alarms([result])


def test_likeness_stands_against_the_judgement(result):
    lines = tables.likenesses(result.rows).splitlines()
    assert lines[0] == "| judged to be | vessel-like |"
    assert lines[2:] == ["| true | 1 |", "| not judged | 1 |", "| vascular | 1 |"]
    assert tables.scans([result]).splitlines()[2] == "| A | knee | 2 | 1 | 1 | 1 | 0 | 1 | 4 |"


def test_bands_of_confidence_hold_what_was_stated(result):
    lines = tables.reliability(result.rows).splitlines()
    assert lines[-1].startswith("| 0.8 to 1.0 | 0.95 | 1/2 = 50 %")
    assert lines[4].startswith("| 0.4 to 0.6 | 0.50 | 0/1 = 0 %")


def _listing(scan, *balls, kinds=None):
    masks = [_ball(scan.hu.shape, at, 4) for at in balls]
    return Listing(
        scan.frame,
        tuple(kinds or [Kind.DEPOSIT] * len(masks)),
        tuple(10.0 for _ in masks),
        tuple(map(from_mask, masks)),
    )


def test_a_guise_has_what_overlaps_or_lies_near():
    scan = _blob()
    first = _listing(scan, (10, 20, 20), (10, 40, 20), (30, 20, 50))
    other = _listing(scan, (10, 22, 20), (20, 40, 50), (30, 20, 50),
                     kinds=[Kind.DEPOSIT, Kind.DEPOSIT, Kind.UNCERTAIN])  # fmt: skip
    alike = compared("A", "g", first, replace(other, mass_mg=(11.0, 1.0, 1.0)), np.eye(4))
    assert alike.there == (True, False, False)
    assert alike.listed == (True, False, True)
    assert alike.back == (True, False)
    assert alike.masses == pytest.approx((1.1,))


def test_what_the_other_field_cuts_does_not_count():
    scan = _blob()
    first = _listing(scan, (10, 20, 20), (2, 40, 20))
    make, turn = GUISES["without 7 at either end"]
    cropped = make(scan)
    alike = compared("A", "g", first, _listing(cropped, (3, 13, 13)), turn)
    assert (alike.there, alike.back) == ((True,), (True,))
    assert "2/2 = 100 %" in painted_tables.alike([alike], lambda p: p.guise, "guise")


def test_a_turned_listing_is_turned_back():
    scan = _blob()
    make, turn = GUISES["lying across"]
    other = make(scan)
    mask = np.zeros(other.hu.shape, bool)
    mask[other.hu > 400] = True
    there = Listing(other.frame, (Kind.DEPOSIT,), (5.0,), (from_mask(mask),))
    here = Listing(scan.frame, (Kind.DEPOSIT,), (5.0,), (from_mask(scan.hu > 400),))
    assert compared("A", "g", here, there, turn).there == (True,)
    assert compared("A", "g", here, there, np.eye(4)).there in ((), (False,))


def test_thick_slices_keep_place_and_mean():
    scan = _blob()
    other = thick(scan, 5.0)
    assert other.spacing == pytest.approx((5.0, 1.0, 0.8))
    assert np.linalg.norm(_bright_middle(other) - _bright_middle(scan)) < 0.2
    assert other.hu.shape[0] == 16
    whole = scan.hu[:40].mean()
    assert other.hu.mean() == pytest.approx(whole, abs=0.5)


def test_within_bones_is_inside_their_hull():
    hu = np.full((40, 80, 80), 40, np.int16)
    y, x = np.indices((80, 80))
    ring = np.abs(np.hypot(y - 40, x - 40) - 25) < 3
    hu[:, ring & ((x // 8) % 2 == 0)] = 600  # ribs with gaps between them
    scan = from_array(hu, affine=_affine())
    places = np.array([[20, 40, 40], [20, 40, 75], [20, 5, 40]], np.float32)
    assert within_bones(scan, places).tolist() == [True, False, False]


def test_the_gap_to_bone_is_from_edge_to_edge():
    hu = np.full((30, 60, 60), 40, np.int16)
    hu[:, :, 40:] = 900
    scan = from_array(hu, affine=_affine((1.0, 1.0, 1.0)))
    imaged = ndimage.gaussian_filter(
        _ball((11, 11, 11), (5, 5, 5), 4, (1, 1, 1)).astype(float), 0.3
    )
    item = SimpleNamespace(box=(slice(10, 21), slice(20, 31), slice(25, 36)), imaged=imaged)
    # Its last half-filled voxel is x = 34, the first of bone x = 40: five voxels between them.
    assert bone_gap(scan, item) == pytest.approx(5.0)


def test_fates_are_told_by_size_and_density():
    def fate(size, density, called):
        return Fate("A", True, "native", "contact", size, density, called, True, None, None)

    fates = [fate(3.5, 200, False), fate(4.5, 200, True), fate(4.9, 700, True), fate(9, 700, False)]
    lines = painted_tables.found(fates, painted_tables.size, "diameter", ("contact",)).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == [
        "| 3-4 mm",
        "| 4-5 mm",
        "| 8-12 mm",
        "| all",
    ]
    assert "2/2 = 100 %" in lines[3]
    assert len(painted_tables.counted(fates)) == 3
    assert "| 4-5 mm | 1/1 = 100 % (21-100) | 1/1" in painted_tables.crossed(fates)


def test_a_part_takes_the_place_of_its_own_section_alone(tmp_path):
    text = tmp_path / "page.md"
    text.write_text("# Page\n\nProse.\n\n<!-- measured -->\n")
    page.write(text, "guises", [("By guise", "| a |\n")], "Weights: w1.")
    page.write(text, "judged", [("How right", "| b |\n")], "Weights: w1.")
    page.write(text, "guises", [("By guise", "| c |\n")], "Weights: w2.")
    found = text.read_text()
    assert found.startswith("# Page\n\nProse.\n\n<!-- measured -->\n\n<!-- judged -->\n\n## Judged")
    assert "| a |" not in found
    assert found.index("| b |") < found.index("Weights: w2.") < found.index("| c |")


def test_what_is_kept_is_made_once(tmp_path):
    made = []

    def make():
        made.append(1)
        return len(made)

    asked = [kept(tmp_path / "guises", "A", ["w", n], make) for n in (1, 1, 2)]
    assert asked == [1, 1, 2]


def test_the_two_reformats_are_one_patient():
    found = list(cases(Path("data"), Path("trunks")))
    assert len({case.name for case in found}) == len(found) == 46
    assert len({case.patient for case in found}) == 45


def test_each_case_is_asked_of_its_own_object_stage(tmp_path, monkeypatch):
    shipped = dict(np.load(folds.SHIPPED / "objects.npz"))
    for case, shift in (("A", 1.0), ("B", 2.0)):
        scales = {
            "network_scale": np.array([1.0, shift]),
            "geometry_scale": np.array([1.0, -shift]),
        }
        np.savez(tmp_path / f"{case}.npz", **(shipped | scales))

    def told(*_, **__):
        return [object_stage.load(network=seen).shift for seen in (True, False)]

    monkeypatch.setattr(folds, "measure", told)
    fitted = Folds(objects=tmp_path)
    assert [fitted.ask(case, None) for case in "AB"] == [[1.0, -1.0], [2.0, -2.0]]
    assert len({fitted.weights(case)["objects.npz"] for case in "AB"}) == 2
    assert fitted.weights(PHANTOM) == Folds().weights("A")


def test_each_case_is_asked_of_the_network_that_has_not_seen_it(tmp_path, monkeypatch):
    shipped = folds.SHIPPED / "finder.onnx"
    (tmp_path / "B.onnx").write_bytes(shipped.read_bytes())
    monkeypatch.setattr(folds, "measure", lambda *_, **__: network.load())
    fitted = Folds(network=tmp_path, unseen_by={"STS_003": "B"})
    assert fitted.ask("STS_003", None) is network.load_file(str(tmp_path / "B.onnx"))
    assert fitted.ask(PHANTOM, None) is network.load()
    assert fitted.weights("STS_003")["finder.onnx"] == Folds().weights("STS_003")["finder.onnx"]
    with pytest.raises(KeyError, match="STS_005"):
        fitted.ask("STS_005", None)


def test_every_scan_is_known_to_the_folds(tmp_path):
    """By the same name, so that each finds the weights that were made without it."""
    for case in cases(tmp_path, tmp_path):
        case.path.parent.mkdir(exist_ok=True)
        case.path.touch()
    folded = {case.stem: case for case in trained(tmp_path, tmp_path)}
    found = {case.name: case for case in cases(tmp_path, tmp_path)}
    assert folded.keys() == found.keys()
    patients = [{name: c.patient for name, c in table.items()} for table in (folded, found)]
    groups = [{frozenset(n for n in p if p[n] == who) for who in p.values()} for p in patients]
    assert groups[0] == groups[1]

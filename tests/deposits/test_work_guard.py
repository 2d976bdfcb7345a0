"""The finder may not do more work for each object than it did: counted, not timed.

Time of the finder is spent in Python on objects that no kernel decides. Calls of Python
functions are counted (the same on every machine), once for a scan and once for the same scan
with more specks; what each further speck costs must stay within bounds.
"""

from __future__ import annotations

import sys
import threading
from itertools import product

import numpy as np

from calcimetry.anatomy import find_body
from calcimetry.deposits import ask_network, find
from calcimetry.plan import Plan
from calcimetry.quantity import calibrate, quantify
from calcimetry.records import Acquisition, Kind, Scan
from calcimetry.runs import dense_objects
from forests import constant

CALLS_PER_SPECK = 32
"""Measured 26, for evidence, verdict and finding; a rule or a record more is allowed."""

CALLS_PER_CANDIDATE = 66
"""Measured 56: the steps of evidence, features, and the words of the reason as well."""

NOISY, BRIGHT = 140, 700  # HU of specks: within noise, and far above it


def _scan(specks, level):
    """A limb of noisy muscle with one bone and small dots, none of them a deposit."""
    y, x = np.indices((48, 120, 120))[1:]
    rng = np.random.default_rng(3)
    far = np.hypot(y - 60, x - 60)
    hu = np.where(far < 52, 50.0, -1000.0)
    bone = np.hypot(y - 60, x - 60)
    hu[(bone < 12) & (bone > 7)] = 900
    hu += np.where(far < 52, rng.normal(0, 20, hu.shape), 0)
    hu = np.minimum(hu, np.where((bone < 13), 2000, 120))
    grid = product(range(3, 46, 5), range(14, 110, 6), range(14, 110, 6))
    places = [p for p in grid if 18 < np.hypot(p[1] - 60, p[2] - 60) < 44]
    for k, j, i in places[:specks]:
        hu[k : k + 2, j : j + 2, i : i + 2] = level
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    values = np.round(hu).astype(np.int16)
    return Scan.of(values, affine, Acquisition(kvp=120.0))


def _counted(work):
    count = [0]

    def tell(_frame, event, _argument):
        count[0] += event == "call"

    sys.setprofile(tell)
    threading.setprofile(tell)
    try:
        result = work()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return result, count[0]


def _work(specks, level=NOISY):
    plan, scan = Plan().changed("find", {"finder": "rules"}), _scan(specks, level)
    dense = dense_objects(scan.hu, plan.find.threshold_hu)
    body = find_body(scan)
    scale = calibrate(scan, plan, body=body)

    def both():
        answer = ask_network(scan, dense, body, plan)
        found = find(scan, dense, body, plan, answer, stage=constant(0.01, "organ"))
        return found, quantify(scan, found.findings, scale, plan)

    (found, _), calls = _counted(both)
    return found, calls


def _calls_per_speck(level, kind):
    """How many calls each further speck costs, all of one kind."""
    _work(50, level)  # first calls compile and cache
    few, less = _work(200, level)
    many, more = _work(600, level)
    extra = len(many.findings) - len(few.findings)
    assert extra == 400
    assert [finding.kind for finding in many.findings].count(kind) >= 600
    return (more - less) / extra


def test_a_speck_costs_a_few_calls():
    assert _calls_per_speck(NOISY, Kind.NOISE) < CALLS_PER_SPECK


def test_a_candidate_costs_a_few_more():
    assert _calls_per_speck(BRIGHT, Kind.OTHER) < CALLS_PER_CANDIDATE

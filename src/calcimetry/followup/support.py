"""Whether deposits bear out an alignment that bones alone leave in doubt."""

from __future__ import annotations

from calcimetry.followup.alignment import Alignment
from calcimetry.followup.match import matched
from calcimetry.followup.motion import Points
from calcimetry.followup.visit import Visit

LEAST_PARTNERS = 1 / 3  # share of the deposits of the visit that has fewer
OTHER_SKIN_MM = 4.0  # median distance of skin: of one body scanned twice, 1-2.5 mm
MOST_PARTNERS = 1 / 2  # the share where skin or bones speak against one body
MANY = 3  # deposits on both visits, of which one is found again in any one body
_EDGE_MM = 5.0  # nearer to the other field's faces, a deposit need have no partner


def borne_out(first: Visit, second: Visit, alignment: Alignment) -> bool:
    """Whether two visits may be taken for one body: by bones, or by deposits found again.

    Bones of two persons can lie over each other nearly as closely as those of one who was
    scanned twice; their deposits do not. Where one of the visits has none to go by, the bones
    must do.
    """
    agreement = alignment.agreement
    if alignment.failed:
        return False
    if agreement is None:
        return True
    seen = (
        [n for n, s in first.shapes.items() if _shown(second, alignment.to_second(s.mean(axis=0)))],
        [n for n, s in second.shapes.items() if _shown(first, alignment.to_first(s.mean(axis=0)))],
    )
    fewer = int(len(seen[1]) < len(seen[0]))
    count = len(seen[fewer])
    if not count or (agreement.sure and count < MANY):
        return agreement.close_enough
    groups = matched(first, second, alignment)
    every = {n for g in groups if g.first and g.second for n in (g.first, g.second)[fewer]}
    found = len(every & set(seen[fewer]))
    if agreement.sure and (agreement.skin_mm or 0.0) <= OTHER_SKIN_MM:
        return found > 0
    between = not agreement.sure and agreement.close_enough
    return found >= (LEAST_PARTNERS if between else MOST_PARTNERS) * count


def _shown(visit: Visit, point: Points) -> bool:
    return bool(visit.in_field(point[None], _EDGE_MM)[0])

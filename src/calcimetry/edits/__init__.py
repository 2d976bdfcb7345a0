"""A reader's corrections of an examination: an ordered list of small records.

The corrected examination is the original and that list (`calcimetry.remeasure`): undo is one edit
less, and the same list gives the same bytes. Objects go by number: a deposit's own, or minus that
of a left-out object (objects.csv). Numbers are kept through all edits and never used again; what an
edit makes anew gets the next one. Points are LPS mm.
"""

from calcimetry.edits.apply import Piece, Pieces, Seen, apply
from calcimetry.edits.codec import edits_from_json, edits_to_json
from calcimetry.edits.records import (
    Accept,
    AddByThreshold,
    Ball,
    CutFromBone,
    Draw,
    Edit,
    Erase,
    Merge,
    Reject,
    SetKind,
    SetPlace,
    SplitByPlane,
    SplitBySeeds,
    Strokes,
)

__all__ = [
    "Accept",
    "AddByThreshold",
    "Ball",
    "CutFromBone",
    "Draw",
    "Edit",
    "Erase",
    "Merge",
    "Piece",
    "Pieces",
    "Reject",
    "Seen",
    "SetKind",
    "SetPlace",
    "SplitByPlane",
    "SplitBySeeds",
    "Strokes",
    "apply",
    "edits_from_json",
    "edits_to_json",
]

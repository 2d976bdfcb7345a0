"""What became of each deposit over visits: comparability, registration, lineage, change.

It stands below all documents and files: `calcimetry.visits` makes the visits of examinations.
"""

from calcimetry.followup.events import Events, read_events
from calcimetry.followup.follow import FollowUp, follow
from calcimetry.followup.visit import Visit, visit_of

__all__ = ["Events", "FollowUp", "Visit", "follow", "read_events", "visit_of"]

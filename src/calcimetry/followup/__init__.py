"""What became of each deposit over visits: comparability, alignment, lineage, judgement."""

from calcimetry.followup.events import Events, read_events
from calcimetry.followup.follow import FollowUp, follow
from calcimetry.followup.output import FILES, write_followup

__all__ = ["FILES", "Events", "FollowUp", "follow", "read_events", "write_followup"]

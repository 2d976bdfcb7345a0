"""``python -m benchmarks.followup``: is what follow-up says of each deposit true?"""

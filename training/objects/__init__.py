"""Fits the object stage (`calcimetry.deposits.object_stage`): ``python -m training.objects``."""

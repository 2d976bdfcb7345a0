"""How the object stage (`calcimetry.deposits.object_stage`) is fitted: ``python -m training.objects``."""

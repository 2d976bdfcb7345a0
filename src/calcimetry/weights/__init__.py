"""The finder's network (ONNX) and its model card, made by `training/`."""

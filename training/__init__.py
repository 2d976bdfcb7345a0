"""Makes the finder's weights: labels by insertion, a small network, an ONNX file and its card.

``python -m training --help``. Needs the extra ``train``. Nothing of it ships in the package.
"""

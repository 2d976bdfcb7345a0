"""8-bit weights answer as the float ones do, and cannot overflow 16-bit sums of products."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="extra train is not installed")
onnx = pytest.importorskip("onnx", reason="extra train is not installed")
ort = pytest.importorskip("onnxruntime")


def _answer(path, hu):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"hu": hu})[0]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A network with weights of a usual size, as float and as integers, and a patch."""
    import torch
    from training.export import export
    from training.net import Finder
    from training.quantise import quantise

    torch.manual_seed(3)
    finder = Finder()
    finder.train()
    rng = np.random.default_rng(0)
    patches = [
        np.where(rng.random((24, 24, 24)) < 0.2, 700, rng.normal(50, 60, (24, 24, 24)))
        for _ in range(6)
    ]
    patches = [patch.astype(np.float32) for patch in patches]
    with torch.no_grad():  # running means and variances of batch normalisation
        for patch in patches * 20:
            finder(torch.from_numpy(patch)[None, None])
    folder = tmp_path_factory.mktemp("weights")
    export(finder, folder / "float.onnx")
    quantise(folder / "float.onnx", folder / "whole.onnx", patches)
    return folder / "float.onnx", folder / "whole.onnx", patches[0]


def test_integers_answer_as_floats_do(made):
    one, other, hu = made
    a, b = _answer(one, hu), _answer(other, hu)
    assert b.shape == hu.shape
    assert np.abs(a - b).mean() < 0.1 * a.std()
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.99


def test_weights_leave_room_for_16_bit_sums(made):
    model = onnx.load(made[1])
    weights = [onnx.numpy_helper.to_array(c) for c in model.graph.initializer]
    small = [w for w in weights if w.dtype == np.int8 and w.ndim == 4]
    assert len(small) == 13
    assert all(2 * 255 * np.abs(w.astype(int)).max() < 2**15 for w in small)
    assert sum(node.op_type == "Conv" for node in model.graph.node) == 1  # the head


def test_any_size_of_tile(made):
    hu = np.full((16, 32, 40), 60, np.float32)
    assert _answer(made[1], hu).shape == hu.shape

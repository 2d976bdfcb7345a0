"""What is exported answers as the network does, and as it did when training begins from it."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="extra `train` is not installed")
onnx = pytest.importorskip("onnx", reason="extra `train` is not installed")

from training.export import export  # noqa: E402
from training.net import Finder  # noqa: E402
from training.start import begin_from  # noqa: E402

from calcimetry.deposits.network import load_file  # noqa: E402
from calcimetry.deposits.resample import folded, unfolded  # noqa: E402

SCALE = (0.5, -1.5)


@pytest.fixture(scope="module")
def patches():
    rng = np.random.default_rng(3)
    return [rng.uniform(-100, 900, (16, 24, 32)).astype(np.float32) for _ in range(4)]


@pytest.fixture(scope="module")
def finder(patches):
    """A network whose normalisation has seen something, as a trained one's has."""
    torch.manual_seed(1)
    net = Finder()
    net.train()
    with torch.no_grad():
        for _ in range(30):
            net(torch.from_numpy(np.stack(patches)[:, None]))
    return net.eval()


def _logits(path, hu):
    return unfolded(load_file(str(path)).answer(folded(hu))[0])


def _own(net, hu):
    with torch.no_grad():
        return net(torch.from_numpy(hu[None, None]))[0, 0].numpy()


@pytest.fixture(scope="module")
def written(finder, patches, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "finder.onnx"
    export(finder, path, patches, *SCALE)
    return path


def test_the_export_answers_nearly_as_the_network_with_its_scale(finder, written, patches):
    expected = _own(finder, patches[1]) / SCALE[0] + SCALE[1]
    found = _logits(written, patches[1])
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.98
    assert np.abs(found - expected).mean() < 0.1 * expected.std()


def test_ranges_hold_what_was_seen_and_nothing(written, finder, patches):
    """Where nothing but 0 was ever seen, bytes still have a scale."""
    flat = [np.full((8, 8, 8), 50.0, np.float32)]
    export(finder, written.with_name("flat.onnx"), flat)
    assert np.isfinite(_logits(written.with_name("flat.onnx"), patches[0])).all()


def test_training_begins_where_an_export_stopped(finder, written, patches):
    begun = Finder()
    begin_from(begun, written, torch.from_numpy(np.stack(patches)[:, None]), SCALE)
    before, after = _own(finder, patches[2]), _own(begun.eval(), patches[2])
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.98


def test_the_last_hidden_layer_is_an_output_that_makes_the_logit(written, patches):
    session = load_file(str(written)).session
    about = session.get_modelmeta().custom_metadata_map
    scale, zero = float(about["features_scale"]), int(about["features_zero"])
    logit, features = session.run(["logit", "features"], {"hu": folded(patches[1])})
    assert features.dtype == np.uint8
    assert features.shape == (*logit.shape[:3], Finder().head.in_channels)
    held = {c.name: onnx.numpy_helper.to_array(c) for c in onnx.load(written).graph.initializer}
    value = (features.astype(np.float32) - zero) * np.float32(scale)
    assert np.allclose(value @ held["head_w"] + held["head_b"], logit, atol=1e-4)


def test_a_window_that_older_weights_lack_begins_silent(written, patches):
    begun = Finder()
    hu = torch.from_numpy(np.stack(patches)[:, None])
    begin_from(begun, _without_last_window(written), hu, SCALE)
    assert (begun.stem[0].weight[:, -8:] == 0).all()
    assert (begun.stem[0].weight[:, :-8] != 0).any()


def _without_last_window(path):
    """The file as it would be had its network not had the last window."""
    model = onnx.load(path)
    for constant in model.graph.initializer:
        if constant.name == "stem_w":
            wide = onnx.numpy_helper.to_array(constant)
            parts = wide.reshape(len(wide), 3, -1, 3, 3)[:, :, :-8]
            fewer = np.ascontiguousarray(parts.reshape(len(wide), -1, 3, 3))
            constant.CopyFrom(onnx.numpy_helper.from_array(fewer, "stem_w"))
    older = path.with_name("older.onnx")
    onnx.save(model, older)
    return older


def test_weights_leave_room_for_16_bit_sums(written):
    model = onnx.load(written)
    weights = [onnx.numpy_helper.to_array(c) for c in model.graph.initializer]
    small = [w for w in weights if w.dtype == np.int8 and w.ndim == 4]
    convolutions = [node for node in model.graph.node if node.op_type == "QLinearConv"]
    assert len(small) == len(convolutions) >= 11
    assert all(2 * 255 * np.abs(w.astype(int)).max() < 2**15 for w in small)


def test_any_size_of_tile(written):
    hu = np.full((16, 32, 40), 60, np.float32)
    assert _logits(written, hu).shape == hu.shape

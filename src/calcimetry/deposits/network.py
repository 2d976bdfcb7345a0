"""The finder's network: how probable each dense voxel is to be deposit.

A small 3D network, trained on deposits of known truth painted into CTs of people without
any (see `training/` and the model card in `calcimetry.weights`). It runs by onnxruntime on an
isotropic grid, only in tiles where dense voxels are, and its answer is brought back to the
scan's own voxels by trilinear interpolation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.deposits.resample import (
    OUTSIDE_HU,
    FilterTaps,
    LinearCells,
    axis_cells,
    axis_weights,
    folded,
    interpolate,
    mark_blocks,
    resample,
    turned_round,
    unfolded,
)
from calcimetry.deposits.tiles import BLOCK, MARGINS, Bounds, padded, tiles
from calcimetry.deposits.weights import checked
from calcimetry.kernels.compiled import read_only
from calcimetry.kernels.types import RunColumns
from calcimetry.offline import onnxruntime as quiet_onnxruntime
from calcimetry.records import Runs, Scan
from calcimetry.runs.find import columns
from calcimetry.threads import Jobs, each, over_slabs


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A network that is ready to run; safe to use from several threads.

    session, options : onnxruntime's
    digest : SHA-256 of the weights file, which names them in results
    hidden_scale, hidden_zero : what a byte of its last hidden layer stands for
    """

    session: Any
    options: Any
    digest: str
    hidden_scale: float
    hidden_zero: int

    def answer(self, cells: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """For HU in cells of 2x2x2 voxels, (z, y, x, 8): logits in the same cells, and the last
        hidden layer of each cell, (z, y, x, HIDDEN)."""
        logit, hidden = self.session.run(None, {"hu": cells}, self.options)
        return logit, hidden


HIDDEN = 32
"""Channels of the network's last hidden layer."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """The last hidden layer of one look at a scan.

    hidden : uint8 (z, y, x, HIDDEN), in cells of 2x2x2 voxels of the network's grid
    cells : along (z, y, x), the cell that each voxel of the scan lies in, int32
    """

    hidden: NDArray[np.uint8]
    cells: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What the network says of a scan.

    dense : runs of the dense voxels
    probability : float32 (voxels,), how probable each of them is to be deposit, in run order
    looks : the hidden layers of its looks
    scale, zero : what their bytes stand for
    """

    dense: Runs
    probability: NDArray[np.float32]
    looks: tuple[Look, ...]
    scale: float
    zero: int

    def probability_at(self, points: NDArray[np.int32]) -> NDArray[np.float32]:
        """The probability at dense voxels (n, 3), (z, y, x): float32 (n,)."""
        dense, (_, height, width) = self.dense, self.dense.shape
        z, y, x = points.astype(np.int64).T
        begin = dense.row.astype(np.int64) * width + dense.start
        run = np.searchsorted(begin, (z * height + y) * width + x, side="right") - 1
        before = np.append(0, np.cumsum(dense.stop - dense.start, dtype=np.int64))
        found: NDArray[np.float32] = self.probability[before[run] + x - dense.start[run]]
        return found

    def hidden(self, points: NDArray[np.int32]) -> NDArray[np.float32]:
        """The last hidden layer at voxels (n, 3) of the scan, mean of all looks: (n, HIDDEN)."""
        z, y, x = points.T
        found = np.zeros((len(points), HIDDEN), np.float32)
        for look in self.looks:
            found += look.hidden[look.cells[0][z], look.cells[1][y], look.cells[2][x]]
        found /= np.float32(len(self.looks))
        found -= np.float32(self.zero)
        found *= np.float32(self.scale)
        return found


def load() -> Network | None:
    """The shipped network, loaded once; None where onnxruntime or the weights are missing.

    Raises InputError WEIGHTS_DAMAGED where they are not those of the model card.
    """
    return load_shipped(str(files("calcimetry.weights")))


@cache
def load_shipped(folder: str) -> Network | None:
    """The network ``finder.onnx`` of a folder, if its digest is that of ``finder.card.json``."""
    weights = Path(folder) / "finder.onnx"
    if not weights.is_file():
        return None
    checked(weights, besides="a plan with find.finder = 'rules' does without them")
    return load_file(str(weights))


_DECIMALS = 5
"""Of the spacing, mm: formats store it with other precision, and bytes turn a last bit into a
whole step."""


@cache
def load_file(path: str) -> Network | None:
    """A network from an ONNX file; None where that or onnxruntime is missing."""
    if not Path(path).is_file():
        return None
    try:
        onnxruntime = quiet_onnxruntime()
    except ImportError:
        return None
    options = onnxruntime.SessionOptions()
    # Threads run whole tiles: each number then comes from one thread, whatever `jobs` is.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_mem_pattern = False  # tiles differ in shape: laying out ahead only takes room
    content = Path(path).read_bytes()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    after = onnxruntime.RunOptions()
    # Within a tile memory is used again and again; after it, it is given back.
    after.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    stands_for = session.get_modelmeta().custom_metadata_map
    scale, zero = float(stands_for["features_scale"]), int(stands_for["features_zero"])
    return Network(session, after, hashlib.sha256(content).hexdigest(), scale, zero)


def ask(network: Network, scan: Scan, dense: Runs, *, jobs: Jobs = 1) -> Answer:
    """What the network says of a scan's dense voxels: deposit, or bone or what else is dense.

    Parameters
    ----------
    dense : runs of the scan's dense voxels
    jobs : threads; the result is the same for any number
    """
    lattice = [(n, round(s, _DECIMALS)) for n, s in zip(scan.hu.shape, scan.spacing, strict=True)]
    sides = [_side(count, spacing) for count, spacing in lattice]
    runs, hu = columns(dense), read_only(scan.hu, np.int16)
    once, look, dear = _look(network, hu, runs, sides, jobs)
    if dear:
        return Answer(dense, once, (look,), network.hidden_scale, network.hidden_zero)
    # Which way round it sees a bone, and where its grid begins, should not matter, but does:
    # what one look in some ten calls a deposit at a bone's cut end, the next does not. So limbs
    # are looked at from both corners; trunks, whose tiles are many, are not. The root of the mean
    # square loses fewer of the true ones of which only one look is sure than the mean does.
    again, other, _ = _look(network, hu, runs, [turned_round(side) for side in sides], jobs)
    both = np.sqrt((once * once + again * again) / np.float32(2))
    return Answer(dense, both, (look, other), network.hidden_scale, network.hidden_zero)


def probability(
    network: Network, scan: Scan, dense: Runs, *, jobs: Jobs = 1
) -> NDArray[np.float32]:
    """How probable it is that each dense voxel is deposit: float32 (dense.voxels,), 0 to 1, in run
    order. See `ask`."""
    return ask(network, scan, dense, jobs=jobs).probability


def _side(count: int, spacing: float) -> tuple[FilterTaps, LinearCells]:
    """An axis of the scan, to the network's grid and back."""
    taps = axis_weights(count, spacing)
    return taps, axis_cells(count, spacing, len(taps[0]))


def _look(
    network: Network,
    hu: NDArray[np.int16],
    runs: RunColumns,
    sides: Sequence[tuple[FilterTaps, LinearCells]],
    jobs: Jobs,
) -> tuple[NDArray[np.float32], Look, bool]:
    """The probability at every voxel of the runs by one look, its hidden layer, and whether looks
    are dear."""
    taps, cells = [side[0] for side in sides], [side[1] for side in sides]
    shape = tuple(len(index) for index, _ in taps)
    blocks = np.zeros([-(-(length + 1) // BLOCK) for length in shape], np.uint8)
    mark_blocks(blocks, BLOCK, runs, *(low for low, _ in cells))
    answer = np.zeros(shape, np.float32)
    halves = tuple(-(-length // 2) for length in shape)
    hidden = np.zeros((*halves, HIDDEN), np.uint8)
    boxes, margin = tiles(blocks.view(np.bool_))
    work = partial(_run_tile, network, hu, taps, (answer, hidden), margin)
    each(work, boxes, jobs)  # each writes its own part of the answer
    z, y, x = (
        np.minimum(np.rint(low + beyond).astype(np.int32) // 2, half - 1).astype(np.int32)
        for (low, beyond), half in zip(cells, halves, strict=True)
    )
    return _back(answer, runs, cells, jobs), Look(hidden, (z, y, x)), margin != MARGINS[0]


def _back(
    answer: NDArray[np.float32],
    runs: RunColumns,
    cells: Sequence[LinearCells],
    jobs: Jobs,
) -> NDArray[np.float32]:
    """The answer at every voxel of the runs, in run order."""
    row, start, stop = runs
    before = np.append(0, np.cumsum(stop - start, dtype=np.int64))
    found = np.empty(int(before[-1]), np.float32)

    def part(first: int, end: int) -> None:
        some = row[first:end], start[first:end], stop[first:end]
        z, y, x = cells
        interpolate(answer, some, z, y, x, found[before[first] : before[end]])

    over_slabs(part, len(row), jobs)
    return found


def _run_tile(
    network: Network,
    hu: NDArray[np.int16],
    taps: list[FilterTaps],
    kept: tuple[NDArray[np.float32], NDArray[np.uint8]],
    margin: int,
    tile: Bounds,
) -> None:
    """Resample a tile and its margins, run the network, keep the tile's own part."""
    answer, hidden = kept
    start, stop = np.array(tile[::2]), np.minimum(tile[1::2], answer.shape)
    corner = start - margin
    size = [padded(tile[k + 1] - tile[k], margin) for k in (0, 2, 4)]
    low, high = np.maximum(corner, 0), np.minimum(corner + size, answer.shape)
    volume = np.full(size, OUTSIDE_HU, np.float32)
    near = [(i[a:b], w[a:b]) for (i, w), a, b in zip(taps, low, high, strict=True)]
    volume[_box(low - corner, high - corner)] = resample(hu, *near)
    logits, layer = network.answer(folded(volume))
    logit = unfolded(logits)
    half = start // 2, -(-stop // 2)
    hidden[_box(*half)] = layer[_box(half[0] - corner // 2, half[1] - corner // 2)]
    odds = np.clip(logit[_box(start - corner, stop - corner)], -30.0, 30.0)
    np.exp(np.negative(odds, out=odds), out=odds)
    np.divide(1.0, np.add(odds, 1.0, out=odds), out=answer[_box(start, stop)])


def _box(start: NDArray[Any], stop: NDArray[Any]) -> tuple[slice, ...]:
    return tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))

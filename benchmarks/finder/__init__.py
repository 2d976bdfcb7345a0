"""``python -m benchmarks.finder``: how well deposits are told from everything else dense."""

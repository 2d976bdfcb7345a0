"""`python -m benchmarks.finder.nature`: what the finder does on real scans, each object judged."""

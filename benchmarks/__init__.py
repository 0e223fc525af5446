"""Benchmarks: the goals of docs/performance.md, each as a ratio measured in one run. `python -m benchmarks`."""

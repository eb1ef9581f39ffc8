"""What the benchmarks stand on: servers and processes to measure, crowds of clients, outages, and the keeping of
figures. Some tests use the same."""

"""What all benchmarks share: cases, measurement, worker processes, pages, and the floor of the machine."""

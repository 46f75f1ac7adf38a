"""What all benchmarks share: cases, measurement in worker processes, the rates of the machine, and the results page."""

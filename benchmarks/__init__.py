"""Speed beside peers, interleaved in one run, with error, memory and the floor of the machine: `wgf bench`."""

"""What the system does to a process: signals that ask it to stop, and worker processes whose parent has ended."""

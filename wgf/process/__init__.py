"""What surrounds a process: signals that ask it to stop, workers whose parent has ended, and launchers of several."""

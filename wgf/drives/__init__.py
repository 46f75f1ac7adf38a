"""What acts on the free energy from outside: shift, resources, risk, feedback, schedules, control."""

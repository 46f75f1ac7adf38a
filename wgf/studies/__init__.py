"""Whole questions, answered by runs with intervals: `wgf study NAME`."""

"""One run on several processes: seconds of a step measured on one and two, and a model of it for many more."""

"""The bodies of the operations on a GPU, compiled by Triton when they are first called there; nothing else imports it."""

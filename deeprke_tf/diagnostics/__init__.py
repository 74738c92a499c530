"""Checks of the machine: versions, folding, cache, disk, devices and speed."""

"""The machine: files, directories, locks, processes, progress; knows no RNA."""

"""The kinds of exercises, a file each."""

"""One file each; folder = family. The registry reads every `CARD`."""

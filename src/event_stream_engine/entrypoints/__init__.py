"""One file per process of the operating system, and the command line that starts them."""

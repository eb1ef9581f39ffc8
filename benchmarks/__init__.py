"""One command per figure: `make bench ONLY="name"`. Each prints its figure beside the machine's own limit."""

"""Run the benchmarks named on the command line, or all of them, one after the other.

A benchmark is a module here with `async def measure() -> None`: it starts the servers it needs
(`throwaway_servers(durable=True)`), measures the product and the limit that the same machine sets in the same
run, prints both and their ratio, and stops by itself."""

import importlib
import pkgutil
import sys

import uvloop

import benchmarks
from benchmarks.stage.figures import print_table, write_guide


def main(wanted: list[str]) -> int:
    """0 whether or not a goal is met: a missed figure is a result. 2 for a name that is not a benchmark."""
    modules = [module.name for module in pkgutil.iter_modules(benchmarks.__path__) if not module.ispkg]
    known = {module.rstrip("_"): module for module in sorted(modules)}  # `import` cannot be a module's name
    unknown = [name for name in wanted if name not in known]
    if unknown:
        print(f"no benchmark is called {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    for name in wanted or known:
        module = importlib.import_module(f"benchmarks.{known[name]}")
        print(f"== {name}: {(module.__doc__ or '').strip().splitlines()[0]}", flush=True)
        uvloop.run(module.measure())
    print_table()
    write_guide()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

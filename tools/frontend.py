"""Run the UI's own npm scripts with the Node that builds it: `python tools/frontend.py typecheck lint`."""

import json
import subprocess
import sys

from prepare import FRONTEND, find_node


def main(wanted: list[str]) -> int:
    """Each script in turn, stopping at the first that fails; a script the UI does not have is an error."""
    if not (FRONTEND / "package.json").exists():
        print("frontend/ is not there: nothing to check")
        return 0
    known = json.loads((FRONTEND / "package.json").read_text()).get("scripts", {})
    unknown = [name for name in wanted if name not in known]
    if unknown:
        print(f"frontend/package.json has no script {', '.join(unknown)}", file=sys.stderr)
        return 2
    environment, npm = find_node()
    for name in wanted:
        print(f"npm run {name}", flush=True)
        status = subprocess.run([*npm, "run", "--silent", name], cwd=FRONTEND, env=environment, check=False).returncode
        if status != 0:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

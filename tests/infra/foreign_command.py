"""Stands for `az`, `azd` or `sleep` on the path: records how it was called, and answers as told.

Beside its folder lie `answers.json`, a list of answers, and `calls.jsonl`, the calls. The first
answer is taken whose `when` are all among the arguments (as what an argument starts with) and whose
`times` are not used up. What no answer fits succeeds and says nothing.
"""

import json
import sys
from pathlib import Path


def main(program: str, arguments: list[str], folder: Path) -> int:
    """Record the call and give its answer."""
    answers = json.loads((folder / "answers.json").read_text(encoding="utf-8"))
    calls = folder / "calls.jsonl"
    past = [json.loads(line)["answer"] for line in calls.read_text(encoding="utf-8").splitlines()]
    chosen = next(
        (
            number
            for number, answer in enumerate(answers)
            if answer["program"] == program
            and all(any(given.startswith(w) for given in arguments) for w in answer["when"])
            and past.count(number) < answer.get("times", 1000)
        ),
        None,
    )
    files = {
        given[1:]: json.loads(Path(given[1:]).read_text(encoding="utf-8"))
        for given in arguments
        if given.startswith("@")
    }
    call = {
        "program": program,
        "arguments": arguments,
        "files": list(files.values()),
        "answer": chosen,
    }
    with calls.open("a", encoding="utf-8") as file:
        file.write(json.dumps(call) + "\n")
    if chosen is None:
        return 0
    answer = answers[chosen]
    said = answer.get("says", "")
    sys.stdout.write(said if isinstance(said, str) else json.dumps(said))
    sys.stderr.write(answer.get("complains", ""))
    return int(answer.get("status", 0))


if __name__ == "__main__":
    here = Path(sys.argv[0])
    sys.exit(main(here.name, sys.argv[1:], here.parent.parent))

"""The table of a run: which statement is shown by which tests, and how they ended.

A test is about the statements its name begins with: test_smtp_06_07_... is about SMTP-06 and SMTP-07.
"""

import json
import os
import re

FOLDER = os.path.dirname(os.path.abspath(__file__))
_NAME = re.compile(r"test_((?:smtp|pop|ext)(?:_\d\d|_(?:smtp|pop|ext))+)(?=_|$|\[)")


def statements():
    with open(os.path.join(FOLDER, "statements.json"), encoding="utf-8") as file:
        return json.load(file)


def ids_of(test_name):
    """The statements a test's name begins with: "test_smtp_02_ext_01_x" gives ["SMTP-02", "EXT-01"]."""
    match = _NAME.match(test_name)
    result, prefix = [], None
    for part in match[1].split("_") if match else ():
        if part.isdigit():
            result.append(f"{prefix}-{part}")
        else:
            prefix = part.upper()
    return result


class Table:
    """Collects outcomes: {id: {test: (outcome, reason)}}."""

    def __init__(self):
        self.outcomes = {name: {} for name in statements()}

    def add(self, test_name, outcome, reason=""):
        for name in ids_of(test_name.split("::")[-1]):
            tests = self.outcomes.setdefault(name, {})
            # A failed teardown is the test's failure; what ran before it does not make it pass again.
            if tests.get(test_name, ("",))[0] != "failed":
                tests[test_name] = (outcome, reason)

    def result(self, name):
        """(result, reason): failed beats missing, missing beats passed, passed beats skipped."""
        tests = self.outcomes[name].values()
        kinds = {outcome for outcome, _ in tests}
        if not kinds:
            return "untested", ""
        for kind in ("failed", "missing", "passed", "skipped"):
            if kind in kinds:
                break
        if kind in ("failed", "passed"):
            return kind, ""
        return kind, "; ".join(sorted({reason for outcome, reason in tests if outcome == kind}))

    def rows(self):
        texts = statements()
        for name in self.outcomes:
            result, reason = self.result(name)
            yield {"id": name, "statement": texts.get(name, ""), "result": result,
                   "reason": reason,
                   "tests": [{"name": test, "outcome": outcome, "reason": why}
                             for test, (outcome, why) in sorted(self.outcomes[name].items())]}

    def markdown(self):
        lines = ["| id | statement | tests | passed | failed | skipped | result |",
                 "|---|---|--:|--:|--:|--:|---|"]
        for row in self.rows():
            counts = [sum(test["outcome"] == kind for test in row["tests"])
                      for kind in ("passed", "failed", "skipped")]
            counts[1] += sum(test["outcome"] == "missing" for test in row["tests"])
            result = row["result"] + (f": {row['reason']}" if row["reason"] else "")
            lines.append(f"| {row['id']} | {row['statement']} | {len(row['tests'])} | "
                         + " | ".join(map(str, counts)) + f" | {result} |")
        lines += ["", "## Tests", ""]
        for row in self.rows():
            lines.append(f"**{row['id']}**")
            for test in row["tests"]:
                why = f" ({test['reason']})" if test["reason"] else ""
                lines.append(f"- {test['name'].split('::')[-1]}: {test['outcome']}{why}")
            lines.append("")
        return "\n".join(lines)

    def write(self, path):
        """path.md and path.json."""
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        with open(path + ".md", "w", encoding="utf-8") as file:
            file.write("# Conformance\n\n" + self.markdown())
        with open(path + ".json", "w", encoding="utf-8") as file:
            json.dump(list(self.rows()), file, indent=1)

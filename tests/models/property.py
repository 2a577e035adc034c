#!/usr/bin/env python3
"""property.py MODEL MACRO: reads what `spin -t` says of a mutant's trail and prints the property that it broke: the
[name] behind the assertion. Found by the assertion's text, macros expanded and parentheses left out: spin's line
numbers drift in inlines."""

import re
import subprocess
import sys

model, macro = sys.argv[1:]
said = re.search(r"text of failed assertion: assert\((.*)\)", sys.stdin.read())
text = subprocess.run(["cpp", "-P", "-CC", f"-D{macro}", model], capture_output=True, text=True, check=True).stdout


def bare(words):
    return re.sub(r"[\s()]", "", words)


def pattern(condition, parameters):
    """Of the condition as spin shows it: what an inline is called with stands for its parameters."""
    words = re.split(r"(\w+)", bare(condition))
    return "".join(".+" if word in parameters else re.escape(word) for word in words)


parameters, found = [], set()
for line in text.splitlines():
    inline = re.match(r"inline \w+\(([^)]*)\)", line)
    if inline or re.match(r"(active )?proctype|init", line):
        parameters = re.findall(r"\w+", inline.group(1)) if inline else []
    tagged = re.search(r"\[([a-z_]+)\] \*/", line)
    for start in (match.end() for match in re.finditer(r"assert\(", line)):
        depth, end = 1, start
        while depth > 0:
            depth += {"(": 1, ")": -1}.get(line[end], 0)
            end += 1
        if tagged and said and re.fullmatch(pattern(line[start:end - 1], parameters), bare(said.group(1))):
            found.add(tagged.group(1))
print(" or ".join(sorted(found)))

#!/usr/bin/env python3
"""Leaves out files larger than a number of bytes: jwalk DIR | ./atmost.py 1000000 | jhash"""
import json
import sys

limit = int(sys.argv[1])
complete = False

for line in sys.stdin.buffer:
    record = json.loads(line)
    if record["kind"] == "end":
        record["stage"] = "atmost.py"
        complete = record["complete"]
    elif record["kind"] == "file" and record["size"] > limit:
        if "error" not in record and "ignored" not in record:
            record["ignored"], record["reason"] = True, "large"
    out = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    sys.stdout.buffer.write(out.encode() + b"\n")

if not complete:
    sys.exit("atmost.py: the input is not the whole tree")

"""Reads the error `buf curl` printed and says domain and reason of its ErrorInfo."""

import base64
import json
import sys

import details_pb2

text = sys.stdin.read()
error = json.loads(text[text.index("{") :])
for detail in error.get("details", []):
    if detail["type"].rsplit(".", 1)[-1] == "ErrorInfo":
        value = detail["value"]
        info = details_pb2.ErrorInfo.FromString(base64.b64decode(value + "=" * (-len(value) % 4)))
        print(info.domain, info.reason)

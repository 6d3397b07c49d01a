"""A program that asks two hosts which do not exist, with HTTP_PROXY naming the gateway; it prints both answers."""

import json
import sys

import requests

answers = []
for host, model in [("http://192.168.238.79:11434", sys.argv[1]), ("http://192.168.238.209:11434", sys.argv[2])]:
    response = requests.post(f"{host}/api/generate", json={"model": model, "prompt": sys.argv[3], "stream": False})
    response.raise_for_status()
    answers.append(response.json())
print(json.dumps(answers))

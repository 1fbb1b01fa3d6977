"""Reads a configuration through the PyPI package `config-client`: config_client.py URL NAME PROFILE
LABEL FILE. Prints the configuration, the file and a text that was encrypted and decrypted again as
JSON. Nothing here knows that the server is not Spring's."""

import json
import sys

from config.spring import ConfigClient

url, name, profile, label, file = sys.argv[1:]
client = ConfigClient(address=url, app_name=name, profile=profile, label=label)
client.get_config()
print(json.dumps({
    "config": client.config,
    "file": client.get_file(file),
    "decrypted": client.decrypt(client.encrypt("open sesame")),
}))

"""Lives as a service does through py-eureka-client: python eureka_py.py PORT.

Registers, renews, fetches, and says goodbye when its input ends; prints a line for each that can be
seen from here. It asks without Accept, so what it gets is XML.
"""

import sys
import time

import py_eureka_client.eureka_client as eureka_client

port = int(sys.argv[1])
client = eureka_client.init(
    eureka_server=f"http://127.0.0.1:{port}/eureka/",
    app_name="py-shop",
    instance_host="localhost",
    instance_ip="127.0.0.1",
    instance_port=9999,
    renewal_interval_in_secs=1,
    duration_in_secs=5,
)
print("registered", flush=True)
deadline = time.monotonic() + 60
while time.monotonic() < deadline:
    app = client.applications.get_application("PY-SHOP")
    if app is not None and app.up_instances:
        instance = app.up_instances[0]
        print(f"found {instance.instanceId} {instance.port.port}", flush=True)
        break
    time.sleep(0.05)
sys.stdin.read()
eureka_client.stop()
print("deregistered", flush=True)

"""Prints what `podman play kube` takes of manifests: of each deployment and stateful set its pod, as
that of one replica, with the config maps it reads. Claims of volumes become empty folders, and what
only a cluster has is left out. usage: pods.py IMAGE < manifests.yaml"""

import sys

import yaml


def pod(kind, image):
    name = kind["metadata"]["name"]
    spec = dict(kind["spec"]["template"]["spec"])
    for ignored in ("topologySpreadConstraints", "serviceAccountName", "nodeSelector"):
        spec.pop(ignored, None)
    claims = kind["spec"].get("volumeClaimTemplates", [])
    volumes = spec.setdefault("volumes", [])
    volumes += [{"name": claim["metadata"]["name"], "emptyDir": {}} for claim in claims]
    spec["volumes"] = [
        {"name": volume["name"], "emptyDir": {}} if "emptyDir" in volume else volume
        for volume in volumes
    ]
    for container in spec["containers"]:
        container["image"] = image
        container["imagePullPolicy"] = "Never"
        for cluster in ("lifecycle", "startupProbe", "readinessProbe", "livenessProbe"):
            container.pop(cluster, None)
        # An address that only a cluster gives.
        env = container.get("env", [])
        container["env"] = [variable for variable in env if "value" in variable]
        # What does not exist there is optional here, which is not understood.
        sources = container.get("envFrom", [])
        container["envFrom"] = [source for source in sources if "secretRef" not in source]
        for kinds in container["resources"].values():
            kinds.pop("ephemeral-storage", None)
    labels = kind["spec"]["template"]["metadata"]["labels"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": spec,
    }


def main():
    image = sys.argv[1]
    manifests = [manifest for manifest in yaml.safe_load_all(sys.stdin) if manifest]
    maps = [manifest for manifest in manifests if manifest["kind"] == "ConfigMap"]
    sets = ("StatefulSet", "Deployment")
    pods = [pod(manifest, image) for manifest in manifests if manifest["kind"] in sets]
    for manifest in maps:
        manifest["metadata"].pop("namespace", None)
    yaml.safe_dump_all(maps + pods, sys.stdout, sort_keys=False)


main()

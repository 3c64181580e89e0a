#!/usr/bin/env python3
"""A strict stand-in for RunPod's public services, for tests on the loopback.

    runpod-double.py serve DIR [--seed TEXT]   DIR/url gets http://127.0.0.1:PORT; DIR/requests.jsonl the requests
    runpod-double.py ctl DIR COMMAND ...       turns its switches (see CONTROL below)

One port plays them all:

    /v2/...            management, REST v2                   setting runpod.api = URL/v2
    /jobs/v2/ID/...    jobs of queue endpoints               setting runpod.jobs = URL/jobs/v2
    /lb/ID/...         load balancer of an endpoint          setting runpod.balancer = URL/lb/{id}
    /proxy/POD/PORT/   HTTP port of a pod
    /graphql           the remains of GraphQL (balance, data centres)
    /v1/...            the retired REST v1: 410

Keys: rpa_double_full may do anything, rpa_double_read may only read, rpa_double_pods knows pods and the catalog
only, rpa_double_none nothing. Any other is refused.

Whatever it refuses, it refuses as the service would, and counts what no correct client does as a violation
(`ctl DIR strict` prints them; status 1 when there are any). The order of checks: edge (User-Agent), key, rate
limit, route, method, rights, JSON, schema, existence, rules between fields, state, capacity. The clock is the
double's own: it can stand still, jump, or move with each request. Everything it holds is invented here; which
fields there are and how they behave is what RunPod has published about its interface.

CONTROL
    ctl DIR set JSON           merge into the switches (SWITCHES below says what each does)
    ctl DIR clock +N|freeze|run|tick=N    N seconds on; stand still; go; N seconds on with each request
    ctl DIR log POD LINE...    lines in a pod's (or worker's) log
    ctl DIR get WHAT           pods, volumes, endpoints, templates, registries, jobs, switches, clock, requests
    ctl DIR strict [reset]     the violations; reset forgets them, and who was told to wait
    ctl DIR put volume JSON    a volume as if made earlier ("id" may be given)
    ctl DIR call METHOD PATH [JSON] [HEADER: VALUE...]    a request as a client with all rights: status, headers, body;
                               1 when it is no success ("Authorization:" asks without a key)
    ctl DIR bill JSON          one more billing row: {"family":"pods","id":...,"time":ISO,"gpuAmount":1.5}
"""
import base64
import calendar
import datetime
import hashlib
import http.client
import http.server
import json
import os
import re
import signal
import socket
import sys
import threading
import time
import traceback
import urllib.parse

# ---------------------------------------------------------------- switches

SWITCHES = {
    # seconds (of the double's clock) a pod, worker or job stays in each state
    "delays": {"provisioning": 0.2, "starting": 0.2, "service": 0.0, "worker": 0.1, "job_queue": 0.05, "job_run": 0.05,
               "rollout": 0.1},
    # "GPU", "GPU@DC" or "@DC": neither in stock by the catalog nor to be had
    "no_stock": [],
    # the same, but the catalog still shows stock: it is only a hint
    "no_capacity": [],
    # pods (name prefixes) that end in ERROR, that never leave PROVISIONING, whose start is refused for capacity
    "error_pods": [], "stuck_pods": [], "start_refused": [],
    # "GPU": what is billed is the catalog's price times this
    "cost_factor": {},
    # {"path": "/v2/pods", "mode": "drop"|"502"|"504", "made": true, "times": 1}: nobody knows what became of a create
    "ambiguous": [],
    # {"method": "GET", "path": REGEX, "status": 502, "html": true, "text": "", "drop": false, "times": 1,
    #  "headers": {}}: any fault
    "fail": [],
    # {"path": REGEX, "seconds": 1.0}: a slow answer
    "slow": [],
    # {"windows": {"minute": 2, "hour": 3}, "retry_after": 1, "times": 1}: windows used up, with seconds to the reset
    "exhaust": None,
    "quota": {"minute": 2000, "hour": 20000, "day": 200000},
    # null: lists have no `pagination`; {"size": N, "repeat": true}: pages of N, the same cursor again and again
    "pagination": {"size": 1000},
    "balance": 25.0,           # USD; below one hour's cost a create is 402
    "graphql": True,           # false: 410
    "extra_members": True,     # answers carry members nobody has heard of
    "unknown_gpu": True,       # the catalog has an entry with the id "unknown"
    "keep_terminated": 0.0,    # seconds a terminated pod is still shown
    "empty_runtime": False,    # `runtime` is {} instead of null while a pod does not run
    "log_close_after": 0,      # a log stream is cut after so many events; 0: never
    "workers": {},             # endpoint id or name -> THROTTLED, UNHEALTHY
    "job_output": None,        # else the input comes back
    "job_fail": [],            # endpoint ids or names whose jobs fail
    "job_keep": 1800.0, "job_keep_sync": 60.0,
    "job_429": 0,              # so many job calls are answered 429
    "webhook_pause": 10.0,     # real seconds between the tries of a webhook
    "lb_wait": 0.3,            # real seconds a load balancer waits for a worker
    "date": "clock",           # the Date header: "clock" or "real"
}

KEYS = {
    "rpa_double_full": ("full", None),
    "rpa_double_read": ("read", None),
    "rpa_double_pods": ("full", ("pods", "catalog")),
    "rpa_double_none": ("none", ()),
}

# ---------------------------------------------------------------- what is on offer

DATA_CENTERS = {  # id: (name, region, global networking, volume types, compliance)
    "EU-RO-1": ("Bucharest", "EUROPE", True, ["STANDARD"], ["GDPR", "ISO_IEC_27001"]),
    "EU-CZ-1": ("Prague", "EUROPE", True, ["STANDARD", "HIGH_PERFORMANCE"], ["GDPR"]),
    "EU-SE-1": ("Stockholm", "EUROPE", False, ["STANDARD"], ["GDPR", "RENEWABLE"]),
    "US-KS-2": ("Kansas City", "NORTH_AMERICA", True, ["STANDARD", "HIGH_PERFORMANCE"], ["SOC_2_TYPE_2"]),
    "US-TX-3": ("Dallas", "NORTH_AMERICA", True, ["STANDARD"], []),
    "US-CA-2": ("Sacramento", "NORTH_AMERICA", False, ["STANDARD"], ["SOC_2_TYPE_2", "HIPAA"]),
    "AP-JP-1": ("Fukushima", "ASIA", False, [], []),
}
WITH_S3 = {"EU-RO-1", "EU-CZ-1", "US-KS-2", "US-CA-2"}
CUDA = ["12.4", "12.6", "12.8"]


def offer(pool, memory, price, most, secure, community=None):
    """price: secure, community, serverless; most: largest host; secure, community: {data centre: stock}"""
    return {"pool": pool, "memory": memory, "price": price, "most": most, "SECURE": secure,
            "COMMUNITY": community or {}}


GPUS = {
    "NVIDIA H200": offer("HOPPER_141", 141, (3.60, 0, 5.60), (8, 0), {"US-KS-2": "LOW", "EU-CZ-1": "MEDIUM"}),
    "NVIDIA H100 80GB HBM3": offer("ADA_80_PRO", 80, (2.70, 2.45, 4.20), (8, 4),
                                   {"US-KS-2": "HIGH", "EU-RO-1": "LOW"}, {"US-TX-3": "LOW"}),
    "NVIDIA A100 80GB PCIe": offer("AMPERE_80", 80, (1.60, 1.20, 2.75), (8, 4),
                                   {"EU-RO-1": "MEDIUM", "EU-CZ-1": "HIGH", "US-KS-2": "LOW"}, {"EU-SE-1": "LOW"}),
    "NVIDIA L40S": offer("ADA_48_PRO", 48, (0.90, 0.80, 1.90), (8, 8), {"EU-RO-1": "HIGH", "US-TX-3": "HIGH"},
                         {"US-TX-3": "MEDIUM"}),
    "NVIDIA RTX A6000": offer("AMPERE_48", 48, (0.50, 0.34, 1.20), (8, 8), {"EU-SE-1": "HIGH", "EU-RO-1": "LOW"},
                              {"EU-SE-1": "MEDIUM"}),
    "NVIDIA GeForce RTX 4090": offer("ADA_24", 24, (0.60, 0.36, 1.10), (8, 8),
                                     {"EU-RO-1": "HIGH", "EU-CZ-1": "MEDIUM", "US-KS-2": "MEDIUM"},
                                     {"US-TX-3": "HIGH"}),
    "NVIDIA RTX A5000": offer("AMPERE_24", 24, (0.28, 0.18, 0.70), (8, 8), {"EU-RO-1": "MEDIUM", "EU-SE-1": "HIGH"},
                              {"EU-SE-1": "HIGH"}),
    "NVIDIA L4": offer("AMPERE_24", 24, (0.40, 0, 0.70), (4, 0), {"EU-RO-1": "LOW"}),
    "NVIDIA RTX A4000": offer("AMPERE_16", 16, (0.25, 0.16, 0.58), (8, 8), {"EU-RO-1": "HIGH", "EU-CZ-1": "LOW"},
                              {"US-TX-3": "LOW"}),
    "NVIDIA RTX PRO 6000 Blackwell Server Edition MIG 1g.24gb": offer(None, 24, (0.45, 0, 0), (1, 0),
                                                                      {"US-KS-2": "MEDIUM"}),
    "AMD Instinct MI300X OAM": offer(None, 192, (2.50, 0, 0), (8, 0), {"EU-RO-1": "MEDIUM"}),
    "NVIDIA B200": offer("BLACKWELL_180", 180, (5.90, 0, 8.60), (8, 0), {}),
}
CPUS = {  # id: (name, group, most vCPU, GB per vCPU, price secure, price serverless, {data centre: stock})
    "cpu3c": ("Compute-optimised 3", "compute", 32, 2.0, 0.030, 0.040, {"EU-RO-1": "HIGH", "US-KS-2": "HIGH"}),
    "cpu3g": ("General purpose 3", "general", 32, 4.0, 0.040, 0.050, {"EU-RO-1": "MEDIUM"}),
    "cpu5c": ("Compute-optimised 5", "compute", 32, 2.0, 0.035, 0.045, {"EU-CZ-1": "LOW", "EU-RO-1": "HIGH"}),
}
LEVELS = ["NONE", "LOW", "MEDIUM", "HIGH"]
CAPACITY = ("There are no longer any instances available with the requested specifications. Please refresh and "
            "try again.")


def maker(gpu):
    return gpu.split()[0] if gpu.split()[0] in ("NVIDIA", "AMD") else "UNKNOWN"


# ---------------------------------------------------------------- schemas


def text(least=0, pattern=None):
    return lambda v, at, bad: (
        bad.append(f"{at}: got {kind(v)}, want string") if not isinstance(v, str) else
        bad.append(f"{at}: length must be >= {least}, but got {len(v)}") if len(v) < least else
        bad.append(f"{at}: {v!r} does not match pattern {pattern!r}") if pattern and not re.search(pattern, v) else None)


def whole(low=None, high=None):
    return lambda v, at, bad: (
        bad.append(f"{at}: got {kind(v)}, want integer") if isinstance(v, bool) or not isinstance(v, int) else
        bad.append(f"{at}: {v} is less than the minimum {low}") if low is not None and v < low else
        bad.append(f"{at}: {v} is more than the maximum {high}") if high is not None and v > high else None)


def number(low):
    return lambda v, at, bad: (
        bad.append(f"{at}: got {kind(v)}, want number") if isinstance(v, bool) or not isinstance(v, (int, float)) else
        bad.append(f"{at}: {v} is less than the minimum {low}") if v < low else None)


def flag(v, at, bad):
    if not isinstance(v, bool):
        bad.append(f"{at}: got {kind(v)}, want boolean")


def one_of(*values):
    return lambda v, at, bad: None if v in values and isinstance(v, str) else bad.append(
        f"{at}: value must be one of " + ", ".join(repr(x) for x in values))


def or_null(schema):
    return lambda v, at, bad: None if v is None else schema(v, at, bad)


def each(schema, least=0, most=None, unique=False):
    def check(v, at, bad):
        if not isinstance(v, list):
            bad.append(f"{at}: got {kind(v)}, want array")
            return
        if len(v) < least:
            bad.append(f"{at}: minItems: got {len(v)}, want {least}")
        if most is not None and len(v) > most:
            bad.append(f"{at}: maxItems: got {len(v)}, want {most}")
        if unique and len({json.dumps(x, sort_keys=True) for x in v}) != len(v):
            bad.append(f"{at}: items must be unique")
        for i, x in enumerate(v):
            schema(x, f"{at}[{i}]", bad)
    return check


def table(schema):
    def check(v, at, bad):
        if not isinstance(v, dict):
            bad.append(f"{at}: got {kind(v)}, want object")
            return
        for k, x in v.items():
            schema(x, f"{at}.{k}", bad)
    return check


def closed(required, optional):
    def check(v, at, bad):
        if not isinstance(v, dict):
            bad.append(f"{at}: got {kind(v)}, want object")
            return
        for k in required:
            if k not in v:
                bad.append(f"{at}: missing property '{k}'")
        strange = [k for k in v if k not in required and k not in optional]
        if strange:
            bad.append(f"{at}: additional properties " + ", ".join(f"'{k}'" for k in strange) + " not allowed")
        for k, x in v.items():
            schema = required.get(k) or optional.get(k)
            if schema:
                schema(x, f"{at}.{k}", bad)
    return check


def kind(v):
    return {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number",
            type(None): "null"}[type(v)]


MINOR = r"^\d+\.\d+$"
PERSISTENT = closed({"size": whole(10), "path": text()}, {})
MOUNTS = closed({}, {"persistent": PERSISTENT,
                     "network": each(closed({"volumeId": text(), "path": text()}, {}), most=1)})
BASE = {"args": text(), "disk": whole(1), "env": table(text()), "image": text(), "ports": each(text()),
        "registry": or_null(text())}
CONTAINER = {**BASE, "entrypoint": each(text()), "cmd": each(text())}
GPU = closed({"id": text()}, {"count": whole(1), "allowedCudaVersions": each(text(pattern=MINOR)),
                              "minCudaVersion": text(pattern=MINOR), "minRamPerGpu": whole(0),
                              "minVcpuCountPerGpu": whole(0)})
CPU = closed({"id": text(1), "vcpuCount": whole(2)}, {})
CREATE_POD = closed({"name": text(1)}, {
    **CONTAINER, "gpu": GPU, "cpu": CPU, "cloud": one_of("SECURE", "COMMUNITY"), "dataCenterIds": each(text()),
    "globalNetworking": flag, "mounts": MOUNTS, "startJupyter": flag, "startSsh": flag, "templateId": text(1)})
UPDATE_POD = closed({}, {**CONTAINER, "globalNetworking": flag, "locked": flag, "mounts": MOUNTS, "name": text(1),
                         "templateId": text()})
POD_ACTION = closed({"action": one_of("start", "stop", "restart", "terminate")}, {})
CREATE_VOLUME = closed({"name": text(1), "size": whole(10, 4096), "dataCenter": text(1)},
                       {"type": one_of("STANDARD", "HIGH_PERFORMANCE")})
UPDATE_VOLUME = closed({}, {"name": text(1), "size": whole(10, 4096)})
TEMPLATE = {**BASE, "allowedCudaVersions": each(text(pattern=MINOR)), "category": one_of("CPU", "NVIDIA", "AMD"),
            "mounts": closed({}, {"persistent": PERSISTENT}), "public": flag, "serverless": flag,
            "startJupyter": flag, "startSsh": flag}
CREATE_TEMPLATE = closed({"name": text(1), "image": text(1)}, TEMPLATE)
UPDATE_TEMPLATE = closed({}, {**TEMPLATE, "name": text(1)})
CREATE_REGISTRY = closed({"name": text(1), "username": text(1), "password": text(1)}, {})
QUEUE_DELAY = closed({"type": one_of("QUEUE_DELAY"), "queueDelay": number(0.5)}, {})
REQUEST_COUNT = closed({"type": one_of("REQUEST_COUNT"), "requestCount": whole(1)}, {})


def scaling(v, at, bad):
    which = v.get("type") if isinstance(v, dict) else None
    schema = {"QUEUE_DELAY": QUEUE_DELAY, "REQUEST_COUNT": REQUEST_COUNT}.get(which)
    if schema:
        schema(v, at, bad)
    else:
        bad.append(f"{at}: oneOf failed, none matched")


def endpoint_gpu(clear):
    return closed({}, {"pools": each(text(), 1), "excludedTypes": each(text(1), unique=True), "count": whole(1),
                       "allowedCudaVersions": each(text(pattern=MINOR)),
                       "minCudaVersion": text(pattern=r"^$|" + MINOR if clear else MINOR)})


ENDPOINT = {**CONTAINER, "cpu": each(CPU, 1, unique=True), "dataCenterIds": each(text()),
            "flashboot": one_of("OFF", "FLASHBOOT", "PRIORITY_FLASHBOOT"), "networkVolumes": each(text()),
            "templateId": text(1), "timeout": whole(),
            "workers": closed({}, {"min": whole(0), "max": whole(0), "idleTimeout": whole(1, 3600)})}
CREATE_ENDPOINT = closed({"name": text(1), "type": one_of("QUEUE", "LOAD_BALANCER"), "scaling": scaling},
                         {**ENDPOINT, "gpu": endpoint_gpu(False)})
UPDATE_ENDPOINT = closed({}, {**ENDPOINT, "name": text(1), "scaling": scaling, "gpu": endpoint_gpu(True)})
SSH_KEYS = closed({"keys": each(text(pattern=r"^(ssh|ecdsa|sk)-\S+ \S+"))}, {})
RUN_JOB = closed({"input": table(lambda v, at, bad: None)}, {
    "webhook": text(1), "policy": closed({}, {"executionTimeout": whole(5000, 604800000), "lowPriority": flag,
                                              "ttl": whole(10000, 604800000)}),
    "s3Config": table(text())})

# ---------------------------------------------------------------- answers


class Problem(Exception):
    def __init__(self, status, detail, errors=None, headers=None):
        super().__init__(detail)
        self.status, self.detail, self.errors, self.headers = status, detail, errors, headers or {}


class Answer:
    def __init__(self, status, body=None, headers=None, media="application/json"):
        self.status, self.headers, self.media = status, dict(headers or {}), media
        self.body = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()


class Stream(Answer):
    """A body made while it is sent: events yields bytes, and None to end."""

    def __init__(self, events):
        super().__init__(200, None, {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}, "text/event-stream")
        self.events = events


class Drop(Exception):
    """The connection ends without an answer."""


def not_found(what, name):
    return Problem(404, f"{what} not found: {name}")


def stamp(t):
    return datetime.datetime.fromtimestamp(int(t), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(s, name):
    try:
        return datetime.datetime.fromisoformat(s.replace("Z", "+00:00")).timestamp()
    except ValueError:
        raise Problem(422, "Request validation failed.", [f"{name}: {s!r} is not a valid date-time"]) from None


def merged(into, more):
    for k, v in more.items():
        into[k] = merged(dict(into[k]), v) if isinstance(v, dict) and isinstance(into.get(k), dict) else v
    return into


# ---------------------------------------------------------------- the world


class World:
    def __init__(self, folder, seed):
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.folder, self.seed, self.made = folder, seed, 0
        self.switches = json.loads(json.dumps(SWITCHES))
        self.offset, self.frozen, self.tick = 0.0, None, 0.0
        self.pods, self.volumes, self.endpoints, self.templates, self.registries = {}, {}, {}, {}, {}
        self.ssh_keys, self.jobs, self.logs = [], {}, {}
        self.past = []  # pods and volumes that are gone, for billing
        self.bill_rows = []
        self.used = {}  # (window, its start) -> requests
        self.violations = []
        self.requests = []
        self.in_doubt = {}  # path -> name of a create that nobody knows the outcome of
        self.hold_until = {}  # key -> monotonic time before which it may not ask again
        self.log_file = open(os.path.join(folder, "requests.jsonl"), "a", buffering=1)

    # ---- clock, ids, switches

    def now(self):
        return self.frozen if self.frozen is not None else time.time() + self.offset

    def advance(self, seconds):
        if self.frozen is not None:
            self.frozen += seconds
        else:
            self.offset += seconds

    def new_id(self, length=14):
        self.made += 1
        n = int.from_bytes(hashlib.sha256(f"{self.seed}/{self.made}".encode()).digest(), "big")
        digits = ""
        while len(digits) < length:
            n, d = divmod(n, 36)
            digits += "0123456789abcdefghijklmnopqrstuvwxyz"[d]
        return digits

    def delay(self, name):
        return self.switches["delays"][name]

    def violate(self, what):
        self.violations.append(what)
        print(f"violation: {what}", file=sys.stderr, flush=True)

    def take(self, name, fits):
        """The first armed fault of a list that fits, counted down."""
        for fault in self.switches[name]:
            if fault.get("times", 1) > 0 and fits(fault):
                fault["times"] = fault.get("times", 1) - 1
                return fault
        return None

    def log(self, owner, source, line, at=None):
        lines = self.logs.setdefault(owner, [])
        ts = stamp(at if at is not None else self.now())
        lines.append({"ts": ts, "source": source, "line": line, "id": f"{ts}/{len(lines) + 1:012d}"})
        self.changed.notify_all()

    # ---- stock

    def listed(self, switch, gpu, dc):
        return any(x in (gpu, f"{gpu}@{dc}", f"@{dc}") for x in self.switches[switch])

    def stock(self, gpu, dc, cloud, count):
        o = GPUS[gpu]
        level = LEVELS.index(o[cloud].get(dc, "NONE"))
        if count > o["most"][cloud == "COMMUNITY"] or self.listed("no_stock", gpu, dc):
            return "NONE"
        return LEVELS[max(0, level - (count > 2) - (count > 4))]

    def cpu_stock(self, cpu, dc):
        return "NONE" if self.listed("no_stock", cpu, dc) else CPUS[cpu][6].get(dc, "NONE")

    def place(self, body, dcs, cloud):
        """The data centre where the hardware is to be had; None: nowhere."""
        if body.get("gpu"):
            gpu, count = body["gpu"]["id"], body["gpu"].get("count", 1)
            fits = [(LEVELS.index(self.stock(gpu, dc, cloud, count)), dc) for dc in dcs
                    if not self.listed("no_capacity", gpu, dc)]
        else:
            cpu = body["cpu"]["id"]
            fits = [(LEVELS.index(self.cpu_stock(cpu, dc)), dc) for dc in dcs
                    if not self.listed("no_capacity", cpu, dc)]
        fits = sorted((-level, dc) for level, dc in fits if level > 0)
        return fits[0][1] if fits else None

    def price(self, body, cloud):
        if body.get("gpu"):
            gpu = body["gpu"]["id"]
            each_gpu = GPUS[gpu]["price"][cloud == "COMMUNITY"]
            return round(each_gpu * body["gpu"].get("count", 1) * self.switches["cost_factor"].get(gpu, 1.0), 4)
        return round(CPUS[body["cpu"]["id"]][4] * body["cpu"]["vcpuCount"], 4)

    # ---- pods

    def pod_named(self, switch, pod):
        return any(pod["name"].startswith(x) or pod["id"] == x for x in self.switches[switch])

    def move(self, pod, status, at):
        pod["status"], pod["since"] = status, at
        self.log(pod["id"], "system", {"PROVISIONING": "looking for a machine", "STARTING": "create container",
                                       "RUNNING": "start container", "EXITED": "stop container",
                                       "ERROR": "container failed to start",
                                       "TERMINATED": "remove container"}[status], at)
        if status == "RUNNING":
            pod["startedAt"] = at
            self.log(pod["id"], "container", f"{pod['name']} is up", at)
        if status in ("EXITED", "ERROR", "TERMINATED") and pod["runs"] and pod["runs"][-1][1] is None:
            pod["runs"][-1][1] = at

    def settle(self):
        """What has happened by now."""
        now = self.now()
        for pod in list(self.pods.values()):
            while True:
                if pod["status"] == "PROVISIONING" and not self.pod_named("stuck_pods", pod) and \
                        now >= pod["since"] + self.delay("provisioning"):
                    self.move(pod, "STARTING", pod["since"] + self.delay("provisioning"))
                elif pod["status"] == "STARTING" and now >= pod["since"] + self.delay("starting"):
                    failed = self.pod_named("error_pods", pod)
                    self.move(pod, "ERROR" if failed else "RUNNING", pod["since"] + self.delay("starting"))
                elif pod["status"] == "TERMINATED" and now >= pod["since"] + self.switches["keep_terminated"]:
                    self.past.append(self.pods.pop(pod["id"]))
                    break
                else:
                    break
        for job in list(self.jobs.values()):
            self.settle_job(job, now)

    def actions(self, pod):
        allowed = {"PROVISIONING": ["stop", "terminate"], "STARTING": ["stop", "terminate"],
                   "RUNNING": ["stop", "restart", "terminate"], "EXITED": ["start", "terminate"],
                   "ERROR": ["start", "terminate"], "TERMINATED": []}[pod["status"]]
        return [a for a in allowed if not (pod["locked"] and a == "stop")]

    def pod_view(self, pod):
        running = pod["status"] == "RUNNING"
        stopped = pod["status"] in ("EXITED", "ERROR", "TERMINATED")
        n = int(hashlib.sha256(pod["id"].encode()).hexdigest()[:6], 16)
        address = f"198.51.100.{n % 250 + 1}"
        ports = [p.split("/") for p in pod["ports"]]
        public = {p: 20000 + (n + 7 * int(p)) % 20000 for p, protocol in ports if protocol == "tcp"}
        user = f"{pod['id']}-{n:08x}"
        view = {k: pod[k] for k in ("id", "name", "image", "args", "status", "disk", "mounts", "ports", "env",
                                    "registry", "cloud", "dataCenterId", "template", "locked")}
        view["actions"] = self.actions(pod)
        if pod.get("gpu"):
            view["gpu"] = {"id": pod["gpu"]["id"], "count": pod["gpu"]["count"], "vcpuCount": 8 * pod["gpu"]["count"],
                           "memory": 64 * pod["gpu"]["count"]}
        else:
            view["cpu"] = {**pod["cpu"], "memory": int(pod["cpu"]["vcpuCount"] * CPUS[pod["cpu"]["id"]][3])}
        view["cudaVersion"] = CUDA[-1] if pod.get("gpu") else None
        view["cost"] = 0 if stopped else pod["rate"]
        view["createdAt"] = stamp(pod["createdAt"])
        view["startedAt"] = stamp(pod["startedAt"]) if pod["startedAt"] else None
        view["globalNetworking"] = {"enabled": pod["globalNetworking"]}
        direct = {"host": address, "port": public["22"], "username": "root",
                  "command": f"ssh root@{address} -p {public['22']}"} if running and "22" in public else None
        view["ssh"] = {"proxy": {"host": "ssh.runpod.io", "port": 22, "username": user,
                                 "command": f"ssh {user}@ssh.runpod.io"}, "direct": direct}
        view["runtime"] = {
            "uptime": int(self.now() - pod["since"]),
            "gpus": [{"util": 0, "memoryUtil": 0}] * (pod["gpu"]["count"] if pod.get("gpu") else 0),
            "cpu": {"util": 3}, "memory": {"util": 11},
            "ports": [{"private": int(p), "public": public.get(p), "type": protocol,
                       "ip": address if protocol == "tcp" else None} for p, protocol in ports],
        } if running else {} if self.switches["empty_runtime"] else None
        return self.extra(view)

    def extra(self, view):
        if self.switches["extra_members"]:
            view["notYetKnown"] = {"to": ["this", "client"]}
        return view

    # ---- endpoints, workers, jobs

    def named(self, switch, e):
        s = self.switches[switch]
        return s.get(e["id"], s.get(e["name"])) if isinstance(s, dict) else e["id"] in s or e["name"] in s

    def want_workers(self, e, n):
        now = self.now()
        e["workers_now"] = [w for w in e["workers_now"] if w["version"] == e["version"] or
                            now < e["released"] + self.delay("rollout")]
        n = min(max(n, e["workers"]["min"]), e["workers"]["max"])
        while len(e["workers_now"]) < n:
            worker = {"id": self.new_id(), "version": e["version"], "born": now}
            e["workers_now"].append(worker)
            self.log(worker["id"], "system", "worker starts")
            self.log(worker["id"], "container", f"{e['name']} loads")

    def worker_status(self, e, worker):
        forced = self.named("workers", e)
        if forced:
            return forced
        if self.now() < worker["born"] + self.delay("worker"):
            return "INITIALIZING"
        busy = any(j["worker"] == worker["id"] and j["status"] == "IN_PROGRESS" for j in self.jobs.values())
        return "RUNNING" if busy else "IDLE"

    def ready_worker(self, e):
        return next((w for w in e["workers_now"] if self.worker_status(e, w) in ("IDLE", "RUNNING")), None)

    def settle_job(self, job, now):
        e = self.endpoints.get(job["endpoint"])
        keep = self.switches["job_keep_sync" if job["sync"] else "job_keep"]
        if now >= job["made"] + job["ttl"] or (job["ended"] and now >= job["ended"] + keep):
            del self.jobs[job["id"]]
            return
        if job["status"] == "IN_QUEUE" and e and now >= job["made"] + self.delay("job_queue"):
            self.want_workers(e, 1)
            worker = self.ready_worker(e)
            if worker:
                job.update(status="IN_PROGRESS", started=now, worker=worker["id"])
        if job["status"] == "IN_PROGRESS" and now >= job["started"] + self.delay("job_run"):
            if self.named("job_fail", e):
                job.update(status="FAILED", error="the handler raised ValueError: bad input")
            elif self.delay("job_run") * 1000 > job["limit"]:
                job.update(status="TIMED_OUT", error="execution timeout")
            else:
                output = self.switches["job_output"]
                job.update(status="COMPLETED", output=output if output is not None else {"echo": job["input"]})
            job["ended"] = now
            self.tell(job)

    def job_view(self, job):
        view = {"id": job["id"], "status": job["status"]}
        if job["started"]:
            view.update(delayTime=int(1000 * (job["started"] - job["made"])), workerId=job["worker"])
        if job["ended"] and job["started"]:
            view["executionTime"] = int(1000 * (job["ended"] - job["started"]))
        for k in ("output", "error"):
            if k in job:
                view[k] = job[k]
        return view

    def tell(self, job):
        if job["webhook"]:
            threading.Thread(target=self.webhook, args=(job["webhook"], json.dumps(self.job_view(job))),
                             daemon=True).start()

    def webhook(self, url, body):
        u = urllib.parse.urlsplit(url)
        if u.hostname not in ("127.0.0.1", "localhost"):
            return
        for attempt in range(3):
            try:
                c = http.client.HTTPConnection(u.hostname, u.port or 80, timeout=5)
                c.request("POST", u.path or "/", body, {"Content-Type": "application/json"})
                if c.getresponse().status == 200:
                    return
            except OSError:
                pass
            time.sleep(self.switches["webhook_pause"] if attempt < 2 else 0)


# ---------------------------------------------------------------- REST v2: what the calls do


class Calls:
    """One method per operation: (request) -> Answer. Runs under the world's lock."""

    def __init__(self, world):
        self.w = world

    # ---- helpers

    def page(self, req, key, items, more=None):
        """A list envelope, in pages where the service has them."""
        s = self.w.switches["pagination"]
        body = {key: items, **(more or {})}
        if s and key in ("pods", "endpoints", "releases"):
            limit = req.integer("limit", 1, 1000, s["size"])
            start = 0
            if "cursor" in req.query:
                start = self.cursor(req.query["cursor"], key)
            end = start + min(limit, s["size"])
            more_to_come = end < len(items)
            token = base64.urlsafe_b64encode(f"{key}:{start if s.get('repeat') else end}".encode()).decode()
            body[key] = items[start:end]
            body["pagination"] = {"nextCursor": token if more_to_come else None, "hasNextPage": more_to_come}
        return Answer(200, self.w.extra(body))

    @staticmethod
    def cursor(token, key):
        try:
            what, at = base64.urlsafe_b64decode(token.encode()).decode().split(":")
            if what == key:
                return int(at)
        except (ValueError, UnicodeDecodeError):
            pass
        raise Problem(422, "Request validation failed.", ["cursor: malformed or of another list"])

    def find(self, what, table_, name):
        if name not in table_:
            raise not_found(what, name)
        return table_[name]

    def rules_container(self, b, gpu=True):
        if len(b.get("env", {})) > 50:
            raise Problem(400, "at most 50 environment variables are allowed")
        for port in b.get("ports", []):
            m = re.fullmatch(r"(\d+)/(http|tcp)", port)
            if not m or not 1 <= int(m.group(1)) <= 65535:
                raise Problem(400, f"invalid port '{port}': want port/http or port/tcp")
        if gpu and isinstance(b.get("gpu"), dict) and b["gpu"].get("allowedCudaVersions") and \
                b["gpu"].get("minCudaVersion"):
            raise Problem(400, "allowedCudaVersions and minCudaVersion are mutually exclusive")

    def rules_cpu(self, cpu):
        if cpu["id"] not in CPUS:
            raise Problem(400, f"unknown cpu flavor '{cpu['id']}'")
        n = cpu["vcpuCount"]
        if n & (n - 1) or n > CPUS[cpu["id"]][2]:
            raise Problem(400, f"vcpuCount {n} is not a power of two within the range of {cpu['id']}")

    def known_data_centers(self, ids):
        for dc in ids:
            if dc not in DATA_CENTERS:
                raise Problem(400, f"unknown data center '{dc}'; valid: " + ", ".join(sorted(DATA_CENTERS)))

    def registry_exists(self, b):
        if b.get("registry"):
            self.find("registry", self.w.registries, b["registry"])

    # ---- pods

    def list_pods(self, req):
        return self.page(req, "pods", [self.w.pod_view(p) for p in self.w.pods.values()])

    def create_pod(self, req):
        b = dict(req.body(CREATE_POD))
        template = None
        if "templateId" in b:
            template = self.find("template", self.w.templates, b["templateId"])
        self.registry_exists(b)
        mounts = b.get("mounts", {})
        volume = None
        if mounts.get("network"):
            volume = self.find("network volume", self.w.volumes, mounts["network"][0]["volumeId"])
        if template:
            if template["serverless"]:
                raise Problem(422, "Request validation failed.", ["$.templateId: a serverless template"])
            for k in ("image", "args", "disk", "ports", "registry", "mounts"):
                b.setdefault(k, template[k])
            b["env"] = {**template["env"], **b.get("env", {})}
        self.pod_rules(b, mounts, volume)
        cloud = b.get("cloud", "SECURE")
        if self.w.switches["balance"] < self.w.price(b, cloud):
            raise Problem(402, "your balance is too low to start this pod")
        dcs = [volume["dataCenter"]] if volume else b.get("dataCenterIds") or list(DATA_CENTERS)
        dc = self.w.place(b, dcs, cloud)
        if b.get("gpu") and "count" not in b["gpu"]:
            self.w.violate("POST /v2/pods: gpu.count is missing: the service answers with a capacity error")
            dc = None
        if not dc:
            raise Problem(400, CAPACITY)
        return Answer(201, self.w.pod_view(self.make_pod(b, cloud, dc)))

    def pod_rules(self, b, mounts, volume):
        if ("gpu" in b) == ("cpu" in b):
            raise Problem(400, "exactly one of gpu and cpu must be given")
        if not b.get("image"):
            raise Problem(400, "image is required without templateId")
        if "gpu" in b and b["gpu"]["id"] not in GPUS:
            raise Problem(400, f"unknown gpu type '{b['gpu']['id']}'")
        if "cpu" in b:
            self.rules_cpu(b["cpu"])
        self.known_data_centers(b.get("dataCenterIds", []))
        self.rules_container(b)
        if "persistent" in mounts and "network" in mounts:
            raise Problem(400, "persistent and network mounts are mutually exclusive")
        if "persistent" in mounts and "cpu" in b:
            raise Problem(400, "cpu pods have no persistent mount")
        if "network" in mounts and not mounts["network"]:
            raise Problem(400, "mounts.network must not be empty")
        if volume and b.get("cloud") == "COMMUNITY":
            raise Problem(400, "network volumes need the SECURE cloud")
        if volume and b.get("dataCenterIds") and volume["dataCenter"] not in b["dataCenterIds"]:
            raise Problem(400, f"network volume {volume['id']} is in {volume['dataCenter']}, which is not among "
                               "dataCenterIds")
        if b.get("globalNetworking") and ("gpu" not in b or maker(b["gpu"]["id"]) != "NVIDIA"):
            raise Problem(400, "globalNetworking needs an NVIDIA GPU")

    def make_pod(self, b, cloud, dc):
        now = self.w.now()
        pod = {"id": self.w.new_id(), "name": b["name"], "image": b["image"], "args": b.get("args", ""),
               "disk": b.get("disk", 20), "ports": b.get("ports", []), "env": dict(b.get("env", {})),
               "registry": b.get("registry"), "mounts": b.get("mounts", {}), "cloud": cloud, "dataCenterId": dc,
               "template": None, "locked": False, "globalNetworking": b.get("globalNetworking", False),
               "createdAt": now, "startedAt": None, "runs": []}
        if "gpu" in b:
            pod["gpu"] = {"id": b["gpu"]["id"], "count": b["gpu"].get("count", 1)}
        else:
            pod["cpu"] = dict(b["cpu"])
        if b.get("startJupyter"):
            pod["env"]["JUPYTER_PASSWORD"] = self.w.new_id(20)
        pod["rate"] = self.w.price(b, cloud)
        self.w.pods[pod["id"]] = pod
        self.run_pod(pod, now)
        return pod

    def run_pod(self, pod, now):
        pod["runs"].append([now, None, pod["rate"]])
        self.w.move(pod, "PROVISIONING", now)

    def get_pod(self, req):
        return Answer(200, self.w.pod_view(self.find("pod", self.w.pods, req.arg(0))))

    def update_pod(self, req):
        b = req.body(UPDATE_POD)
        pod = self.find("pod", self.w.pods, req.arg(0))
        if "templateId" in b:
            t = self.find("template", self.w.templates, b["templateId"])
            b = {**{k: t[k] for k in ("image", "args", "disk", "ports")}, **b}
        self.registry_exists(b)
        self.rules_container(b)
        mounts = b.get("mounts", {})
        if "network" in mounts and not mounts["network"]:
            raise Problem(400, "mounts.network must not be empty")
        for k in mounts:
            if k not in pod["mounts"]:
                raise Problem(400, f"a {k} mount cannot be added later")
        if "network" in mounts and mounts["network"][0]["volumeId"] != pod["mounts"]["network"][0]["volumeId"]:
            raise Problem(400, "the network volume of a pod cannot be changed")
        if "persistent" in mounts and mounts["persistent"]["size"] < pod["mounts"]["persistent"]["size"]:
            raise Problem(400, "a persistent mount cannot shrink")
        if pod["status"] == "TERMINATED":
            raise Problem(409, "the pod is terminated")
        for k in ("name", "image", "args", "disk", "ports", "env", "registry", "locked", "globalNetworking"):
            if k in b:
                pod[k] = b[k]
        pod["mounts"] = {**pod["mounts"], **mounts}
        return Answer(200, self.w.pod_view(pod))

    def delete_pod(self, req):
        pod = self.find("pod", self.w.pods, req.arg(0))
        if pod["status"] == "TERMINATED":
            raise not_found("pod", pod["id"])
        self.w.move(pod, "TERMINATED", self.w.now())
        self.w.settle()
        return Answer(204)

    def act_on_pod(self, req):
        action = req.body(POD_ACTION)["action"]
        pod = self.find("pod", self.w.pods, req.arg(0))
        now = self.w.now()
        if action not in self.w.actions(pod):
            raise Problem(409, f"action {action} is not allowed while the pod is {pod['status']}"
                               + (" and locked" if pod["locked"] else ""))
        if action == "terminate":
            return self.delete_pod(req)
        if action == "stop":
            self.w.move(pod, "EXITED", now)
        elif action == "restart":
            self.w.move(pod, "STARTING", now)
        else:
            if self.w.pod_named("start_refused", pod):
                raise Problem(400, "There are not enough free GPUs on the host machine to start this pod: no "
                                   "instances available.")
            if self.w.switches["balance"] < pod["rate"]:
                raise Problem(402, "your balance is too low to start this pod")
            self.run_pod(pod, now)
        return Answer(200, self.w.pod_view(pod))

    def logs_of(self, req, owner, alive):
        """Events after a place, then those to come for as long as the owner lives and the caller listens."""
        source = req.query.get("source")
        if source not in (None, "container", "system"):
            raise Problem(422, "Request validation failed.", ["source: value must be one of 'container', 'system'"])
        tail = req.integer("tail", 0, 5000, 100)
        lines = [x for x in self.w.logs.get(owner, []) if source in (None, x["source"])]
        last = req.headers.get("Last-Event-ID")
        if last is not None:
            ids = [x["id"] for x in self.w.logs.get(owner, [])]
            if last not in ids:
                self.w.violate(f"Last-Event-ID {last!r} was never sent")
            number_ = int(last.rsplit("/", 1)[1]) if re.fullmatch(r".+/\d+", last) else 0
            lines = [x for x in lines if int(x["id"].rsplit("/", 1)[1]) > number_]
        elif "since" in req.query:
            since = moment(req.query["since"], "since")
            lines = [x for x in lines if moment(x["ts"], "ts") >= since]
        else:
            lines = lines[-tail:] if tail else []
        seen = len(self.w.logs.get(owner, []))
        return Stream(self.events(owner, source, lines, seen, alive))

    def events(self, owner, source, lines, seen, alive):
        cut = self.w.switches["log_close_after"]
        sent = 0
        yield b": the log of " + owner.encode() + b"\n\n"
        while True:
            for x in lines:
                data = json.dumps({k: x[k] for k in ("ts", "source", "line")}, ensure_ascii=False)
                yield f"id: {x['id']}\ndata: {data}\n\n".encode()
                sent += 1
                if cut and sent >= cut:
                    return
            with self.w.changed:
                if not alive() and len(self.w.logs.get(owner, [])) == seen:
                    return
                self.w.changed.wait(0.1)
                self.w.settle()
                fresh = self.w.logs.get(owner, [])[seen:]
                seen += len(fresh)
                lines = [x for x in fresh if source in (None, x["source"])]
            if not lines:
                yield b":\n\n"

    def pod_logs(self, req):
        pod = self.find("pod", self.w.pods, req.arg(0))
        return self.logs_of(req, pod["id"], lambda: pod["id"] in self.w.pods)

    # ---- volumes

    def volume_view(self, v):
        return self.w.extra({k: v[k] for k in ("id", "name", "size", "dataCenter", "type")})

    def list_volumes(self, req):
        return self.page(req, "networkVolumes", [self.volume_view(v) for v in self.w.volumes.values()])

    def create_volume(self, req):
        b = req.body(CREATE_VOLUME)
        self.known_data_centers([b["dataCenter"]])
        types = DATA_CENTERS[b["dataCenter"]][3]
        if not types or b.get("type", types[0]) not in types:
            raise Problem(400, f"data center '{b['dataCenter']}' has no such network volumes; valid: " +
                          ", ".join(sorted(d for d in DATA_CENTERS if DATA_CENTERS[d][3])))
        return Answer(201, self.volume_view(self.make_volume(b)))

    def make_volume(self, b):
        types = DATA_CENTERS[b["dataCenter"]][3] or ["STANDARD"]
        v = {"id": b.get("id") or self.w.new_id(10), "name": b["name"], "size": b["size"],
             "dataCenter": b["dataCenter"], "type": b.get("type", types[0]), "createdAt": self.w.now()}
        v["sizes"] = [[self.w.now(), b["size"]]]
        self.w.volumes[v["id"]] = v
        return v

    def get_volume(self, req):
        return Answer(200, self.volume_view(self.find("network volume", self.w.volumes, req.arg(0))))

    def update_volume(self, req):
        b = req.body(UPDATE_VOLUME)
        v = self.find("network volume", self.w.volumes, req.arg(0))
        if not b:
            raise Problem(400, "nothing to update: give name or size")
        if b.get("size", v["size"]) < v["size"]:
            raise Problem(400, f"a network volume cannot shrink: {v['size']} GB now")
        v["name"] = b.get("name", v["name"])
        if b.get("size", v["size"]) != v["size"]:
            v["size"] = b["size"]
            v["sizes"].append([self.w.now(), b["size"]])
        return Answer(200, self.volume_view(v))

    def delete_volume(self, req):
        v = self.find("network volume", self.w.volumes, req.arg(0))
        users = [p["id"] for p in self.w.pods.values()
                 if any(m["volumeId"] == v["id"] for m in p["mounts"].get("network", []))]
        users += [e["id"] for e in self.w.endpoints.values() if v["id"] in e["networkVolumes"]]
        if users:
            raise Problem(400, "the network volume is in use by " + ", ".join(users))
        v["sizes"].append([self.w.now(), 0])
        self.w.past.append(self.w.volumes.pop(v["id"]))
        return Answer(204)

    # ---- templates, registries, keys

    def template_view(self, t):
        return self.w.extra({k: v for k, v in t.items()})

    def list_templates(self, req):
        return self.page(req, "templates", [self.template_view(t) for t in self.w.templates.values()])

    def create_template(self, req):
        b = req.body(CREATE_TEMPLATE)
        self.registry_exists(b)
        self.rules_container(b, gpu=False)
        t = {"id": self.w.new_id(10), "args": "", "disk": 20, "ports": [], "env": {}, "registry": None, "mounts": {},
             "serverless": False, "public": False, "category": "NVIDIA", "startSsh": True, "startJupyter": True,
             "allowedCudaVersions": [], **b}
        self.w.templates[t["id"]] = t
        return Answer(201, self.template_view(t))

    def get_template(self, req):
        return Answer(200, self.template_view(self.find("template", self.w.templates, req.arg(0))))

    def update_template(self, req):
        b = req.body(UPDATE_TEMPLATE)
        t = self.find("template", self.w.templates, req.arg(0))
        self.registry_exists(b)
        self.rules_container(b, gpu=False)
        t.update(b)
        return Answer(200, self.template_view(t))

    def delete_template(self, req):
        t = self.find("template", self.w.templates, req.arg(0))
        if any(e["templateId"] == t["id"] for e in self.w.endpoints.values()):
            raise Problem(400, "the template is in use by an endpoint")
        del self.w.templates[t["id"]]
        return Answer(204)

    def catalog_templates(self, req):
        if req.query.get("source", "official") not in ("official", "verified", "community"):
            raise Problem(422, "Request validation failed.", ["source: not a source"])
        return Answer(200, {"templates": []})

    def registry_view(self, r):
        return self.w.extra({"id": r["id"], "name": r["name"]})

    def list_registries(self, req):
        return self.page(req, "registries", [self.registry_view(r) for r in self.w.registries.values()])

    def create_registry(self, req):
        b = req.body(CREATE_REGISTRY)
        if any(r["name"] == b["name"] for r in self.w.registries.values()):
            raise Problem(400, f"a registry named '{b['name']}' exists")
        r = {"id": self.w.new_id(10), "name": b["name"]}  # the password is not kept
        self.w.registries[r["id"]] = r
        return Answer(201, self.registry_view(r))

    def get_registry(self, req):
        return Answer(200, self.registry_view(self.find("registry", self.w.registries, req.arg(0))))

    def delete_registry(self, req):
        r = self.find("registry", self.w.registries, req.arg(0))
        if any(p["registry"] == r["id"] for p in self.w.pods.values()):
            raise Problem(400, "the registry is in use by a pod")
        del self.w.registries[r["id"]]
        return Answer(204)

    def list_delegations(self, req):
        return self.page(req, "delegations", [])

    def list_clusters(self, req):
        return self.page(req, "clusters", [])

    def get_ssh_keys(self, req):
        return Answer(200, {"keys": self.w.ssh_keys})

    def put_ssh_keys(self, req):
        self.w.ssh_keys = req.body(SSH_KEYS)["keys"]
        return Answer(200, {"keys": self.w.ssh_keys})

    # ---- endpoints

    def endpoint_view(self, e, base):
        view = {k: e[k] for k in ("id", "name", "type", "image", "args", "disk", "ports", "env", "registry", "workers",
                                  "scaling", "dataCenterIds", "networkVolumes", "timeout", "flashboot")}
        view["createdAt"] = stamp(e["createdAt"])
        if e.get("gpu"):
            view["gpu"] = {"allowedCudaVersions": [], "minCudaVersion": None, **e["gpu"]}
        else:
            view["cpu"] = [{**c, "memory": int(c["vcpuCount"] * CPUS[c["id"]][3])} for c in e["cpu"]]
        job = f"{base}/jobs/v2/{e['id']}"
        if e["type"] == "QUEUE":
            view["requestUrls"] = {"run": f"{job}/run", "runSync": f"{job}/runsync", "status": f"{job}/status/{{job_id}}",
                                   "stream": f"{job}/stream/{{job_id}}", "cancel": f"{job}/cancel/{{job_id}}",
                                   "retry": f"{job}/retry/{{job_id}}", "purgeQueue": f"{job}/purge-queue",
                                   "health": f"{job}/health"}
        else:
            view["requestUrls"] = {"base": f"{base}/lb/{e['id']}", "health": f"{base}/lb/{e['id']}/ping"}
        return self.w.extra(view)

    def list_endpoints(self, req):
        return self.page(req, "endpoints", [self.endpoint_view(e, req.base) for e in self.w.endpoints.values()])

    def endpoint_existence(self, b):
        template = None
        if "templateId" in b:
            template = self.find("template", self.w.templates, b["templateId"])
            if not template["serverless"]:
                raise Problem(422, "Request validation failed.", ["$.templateId: not a serverless template"])
        self.registry_exists(b)
        for v in b.get("networkVolumes", []):
            self.find("network volume", self.w.volumes, v)
        return template

    def endpoint_rules(self, b, kind_):
        self.known_data_centers(b.get("dataCenterIds", []))
        self.rules_container(b)
        where = [self.w.volumes[v]["dataCenter"] for v in b.get("networkVolumes", [])]
        if len(set(where)) != len(where):
            raise Problem(400, "at most one network volume per data center")
        for c in b.get("cpu", []):
            self.rules_cpu(c)
        gpu = b.get("gpu") or {}
        pools = {o["pool"] for o in GPUS.values() if o["pool"]}
        for pool in gpu.get("pools", []):
            if pool not in pools:
                raise Problem(400, f"unknown gpu pool '{pool}'; valid: " + ", ".join(sorted(pools)))
        for gpu_type in gpu.get("excludedTypes", []):
            if "pools" not in gpu or GPUS.get(gpu_type, {}).get("pool") not in gpu["pools"]:
                raise Problem(400, f"excluded type '{gpu_type}' is not in the pools")
        scale = b.get("scaling", {}).get("type")
        if kind_ == "LOAD_BALANCER" and scale == "QUEUE_DELAY":
            raise Problem(400, "load balancers scale by REQUEST_COUNT only")
        if kind_ == "QUEUE" and scale == "REQUEST_COUNT" and "idleTimeout" in b.get("workers", {}):
            raise Problem(422, "Request validation failed.",
                          ["$.workers.idleTimeout: not allowed for QUEUE with REQUEST_COUNT"])
        w = b.get("workers", {})
        if w.get("min", 0) > w.get("max", 3):
            raise Problem(400, "workers.min is above workers.max")

    def create_endpoint(self, req):
        b = dict(req.body(CREATE_ENDPOINT))
        template = self.endpoint_existence(b)
        if template:
            for k in ("image", "args", "disk", "ports", "registry"):
                b.setdefault(k, template[k])
            b["env"] = {**template["env"], **b.get("env", {})}
        if ("gpu" in b) == ("cpu" in b):
            raise Problem(400, "exactly one of gpu and cpu must be given")
        if "gpu" in b and "pools" not in b["gpu"]:
            raise Problem(400, "gpu.pools is required")
        if not b.get("image"):
            raise Problem(400, "image is required without templateId")
        self.endpoint_rules(b, b["type"])
        if "timeout" not in b:
            self.w.violate("POST /v2/serverless: timeout is missing: what holds then is not what is written")
        now = self.w.now()
        e = {"id": self.w.new_id(), "args": "", "disk": 20, "ports": [], "env": {}, "registry": None,
             "dataCenterIds": [], "networkVolumes": [], "timeout": 0, "flashboot": "OFF", "templateId": None,
             "createdAt": now, "version": 1, "released": now, "workers_now": [], "releases": [], **b}
        e["workers"] = {"min": 0, "max": 3, "idleTimeout": 10, **b.get("workers", {})}
        if e.get("gpu"):
            e["gpu"] = {"count": 1, "excludedTypes": [], **e["gpu"]}
        self.w.endpoints[e["id"]] = e
        self.release(e, [])
        self.w.want_workers(e, 0)
        return Answer(201, self.endpoint_view(e, req.base))

    def release(self, e, diff):
        e["releases"].insert(0, {"id": self.w.new_id(), "version": e["version"], "source": "MANUAL", "buildId": None,
                                 "createdByUserId": "user_double", "workerCount": len(e["workers_now"]),
                                 "createdAt": stamp(self.w.now()), "diff": diff})

    def get_endpoint(self, req):
        return Answer(200, self.endpoint_view(self.find("endpoint", self.w.endpoints, req.arg(0)), req.base))

    def update_endpoint(self, req):
        b = dict(req.body(UPDATE_ENDPOINT))
        e = self.find("endpoint", self.w.endpoints, req.arg(0))
        self.endpoint_existence(b)
        if ("gpu" in b and "cpu" in e) or ("cpu" in b and "gpu" in e):
            raise Problem(400, "an endpoint cannot change between gpu and cpu")
        after = {**e, **b, "workers": {**e["workers"], **b.get("workers", {})}}
        rules = {**b, "scaling": after["scaling"]}
        if "workers" in b:
            rules["workers"] = {**{k: v for k, v in e["workers"].items() if k != "idleTimeout"}, **b["workers"]}
        self.endpoint_rules(rules, e["type"])
        if "gpu" in b:
            kept = {k: v for k, v in e["gpu"].items() if not (k == "excludedTypes" and "pools" in b["gpu"])}
            after["gpu"] = {"excludedTypes": [], **kept, **b["gpu"]}
            if after["gpu"].get("minCudaVersion") == "":
                del after["gpu"]["minCudaVersion"]
        container = [k for k in ("image", "args", "disk", "ports", "env", "registry", "gpu", "cpu", "networkVolumes")
                     if k in b and e.get(k) != after[k]]
        diff = [{"field": k if k in ("gpu", "cpu", "networkVolumes") else f"template.{k}", "old": e.get(k),
                 "new": after[k]} for k in container]
        e.update(after)
        if container:
            e["version"] += 1
            e["released"] = self.w.now()
            self.release(e, diff)
        self.w.want_workers(e, 0)
        del e["workers_now"][e["workers"]["max"]:]
        return Answer(200, self.endpoint_view(e, req.base))

    def delete_endpoint(self, req):
        e = self.find("endpoint", self.w.endpoints, req.arg(0))
        del self.w.endpoints[e["id"]]
        self.w.templates.pop(e["templateId"], None)
        for job in [j for j in self.w.jobs.values() if j["endpoint"] == e["id"]]:
            del self.w.jobs[job["id"]]
        return Answer(204)

    def list_workers(self, req):
        e = self.find("endpoint", self.w.endpoints, req.arg(0))
        self.w.want_workers(e, 0)
        workers, summary = [], dict.fromkeys(("running", "idle", "initializing", "throttled", "unhealthy"), 0)
        for w in e["workers_now"]:
            status = self.w.worker_status(e, w)
            summary[status.lower()] += 1
            up = status in ("RUNNING", "IDLE")
            gpu = next((g for g, o in GPUS.items() if e.get("gpu") and o["pool"] in e["gpu"]["pools"]), None)
            workers.append({"id": w["id"], "status": status, "isStale": w["version"] != e["version"],
                            "gpuCount": e["gpu"]["count"] if e.get("gpu") else 0, "version": w["version"],
                            "image": e["image"], "uptimeSeconds": int(self.w.now() - w["born"]) if up else None,
                            "gpuTypeId": gpu if up else None, "dataCenterId": "EU-RO-1" if up else None,
                            "startedAt": stamp(w["born"]) if up else None})
        summary["total"] = len(workers)
        return self.page(req, "workers", workers, {"summary": summary, "endpointVersion": e["version"]})

    def list_releases(self, req):
        e = self.find("endpoint", self.w.endpoints, req.arg(0))
        self.w.want_workers(e, 0)
        total = len(e["workers_now"])
        latest = sum(w["version"] == e["version"] for w in e["workers_now"])
        rollout = {"inProgress": latest < total, "workersOnLatest": latest, "workersTotal": total,
                   "percentOnLatest": 100 * latest // total if total else 0}
        return self.page(req, "releases", e["releases"], {"rollout": rollout, "endpointVersion": e["version"]})

    def worker_logs(self, req):
        e = self.find("endpoint", self.w.endpoints, req.arg(0))
        worker = self.find("worker", {w["id"]: w for w in e["workers_now"]}, req.arg(1))
        return self.logs_of(req, worker["id"], lambda: e["id"] in self.w.endpoints and worker in e["workers_now"])

    # ---- catalog

    def availability(self, req, products, only_with):
        include = req.csv("include", ["AVAILABILITY"])
        product = req.csv("product", products)
        if bool(include) != bool(product):
            raise Problem(400, "include=AVAILABILITY and product go together")
        if not include:
            for k in only_with:
                if k in req.query:
                    raise Problem(400, f"{k} is valid only with include=AVAILABILITY")
        return bool(include), product

    def gpu_view(self, gpu, req, with_stock, product):
        o = GPUS[gpu]
        view = {"id": gpu, "name": gpu.split(" ", 1)[1], "pool": o["pool"], "manufacturer": maker(gpu),
                "memory": o["memory"], "secure": o["price"][0] > 0, "community": o["price"][1] > 0,
                "price": {"secure": o["price"][0], "community": o["price"][1]},
                "maxCount": {"secure": o["most"][0], "community": o["most"][1]}}
        if o["price"][2]:
            view["price"]["serverless"] = o["price"][2]
        if with_stock:
            count, cloud = req.integer("count", 1, 1000, 1), req.query.get("cloud", "SECURE")
            if cloud not in ("SECURE", "COMMUNITY"):
                raise Problem(422, "Request validation failed.", ["cloud: value must be one of 'SECURE', 'COMMUNITY'"])
            if product == ["SERVERLESS"] and not o["pool"]:
                levels = {}
            else:
                levels = {dc: self.w.stock(gpu, dc, cloud, count) for dc in DATA_CENTERS}
            levels = {dc: level for dc, level in levels.items() if level != "NONE"}
            view["availability"] = max(levels.values(), key=LEVELS.index, default="NONE")
            if levels:
                view["dataCenters"] = [{"id": dc, "name": DATA_CENTERS[dc][0], "availability": level}
                                       for dc, level in sorted(levels.items())]
            view["cudaVersions"] = [{"version": v, "available": bool(levels)} for v in CUDA]
        return self.w.extra(view)

    def gpu_query(self, req):
        if "cudaVersions" in req.query and "minCudaVersion" in req.query:
            raise Problem(400, "cudaVersions and minCudaVersion are mutually exclusive")
        if not re.fullmatch(r"([A-Z]{2}(,[A-Z]{2})*)?", req.query.get("countryCodes", "")):
            raise Problem(422, "Request validation failed.", ["countryCodes: want upper-case two-letter codes"])
        return self.availability(req, ["POD", "CLUSTER", "SERVERLESS"], ("count", "cloud", "countryCodes"))

    def list_gpus(self, req):
        with_stock, product = self.gpu_query(req)
        gpus = [self.gpu_view(g, req, with_stock, product) for g in GPUS]
        if self.w.switches["unknown_gpu"]:
            gpus.append({"id": "unknown", "name": "unknown", "pool": None, "manufacturer": "UNKNOWN", "memory": 0,
                         "secure": False, "community": False, "price": {"secure": 0, "community": 0},
                         "maxCount": {"secure": 0, "community": 0}})
        return self.page(req, "gpus", gpus)

    def get_gpu(self, req):
        with_stock, product = self.gpu_query(req)
        self.find("gpu", GPUS, req.arg(0))
        return Answer(200, self.gpu_view(req.arg(0), req, with_stock, product))

    def cpu_view(self, cpu, with_stock):
        name, group, most, ram, price, serverless, _ = CPUS[cpu]
        view = {"id": cpu, "name": name, "group": group, "vcpu": {"min": 2, "max": most}, "ramGbPerVcpu": ram,
                "price": {"securePerVcpu": price, "serverlessPerVcpu": serverless}}
        if with_stock:
            levels = {dc: self.w.cpu_stock(cpu, dc) for dc in DATA_CENTERS}
            levels = {dc: level for dc, level in levels.items() if level != "NONE"}
            view["availability"] = max(levels.values(), key=LEVELS.index, default="NONE")
            if levels:
                view["dataCenters"] = [{"id": dc, "name": DATA_CENTERS[dc][0], "availability": level}
                                       for dc, level in sorted(levels.items())]
        return self.w.extra(view)

    def list_cpus(self, req):
        with_stock, _ = self.availability(req, ["POD", "SERVERLESS"], ("vcpuCount",))
        return self.page(req, "cpus", [self.cpu_view(c, with_stock) for c in CPUS])

    def get_cpu(self, req):
        with_stock, _ = self.availability(req, ["POD", "SERVERLESS"], ("vcpuCount",))
        self.find("cpu", CPUS, req.arg(0))
        return Answer(200, self.cpu_view(req.arg(0), with_stock))

    def data_center_view(self, dc, include):
        name, region, network, types, compliance = DATA_CENTERS[dc]
        view = {"id": dc, "name": name, "region": region, "globalNetwork": network, "networkVolumeTypes": types,
                "compliance": compliance}
        if "GPU_AVAILABILITY" in include:
            view["gpuAvailability"] = [{"id": g, "name": g.split(" ", 1)[1],
                                        "availability": self.w.stock(g, dc, "SECURE", 1)} for g in GPUS]
        if "CPU_AVAILABILITY" in include:
            view["cpuAvailability"] = [{"id": c, "name": CPUS[c][0], "availability": self.w.cpu_stock(c, dc)}
                                       for c in CPUS]
        return self.w.extra(view)

    def list_data_centers(self, req):
        include = req.csv("include", ["GPU_AVAILABILITY", "CPU_AVAILABILITY"])
        regions = req.csv("regions", sorted({d[1] for d in DATA_CENTERS.values()} | {"ASIA", "AFRICA", "OCEANIA"}))
        types = req.csv("networkVolumeTypes", ["STANDARD", "HIGH_PERFORMANCE"])
        fits = [dc for dc, d in DATA_CENTERS.items() if (not regions or d[1] in regions) and set(types) <= set(d[3])
                and ("globalNetwork" not in req.query or (req.query["globalNetwork"] == "true") == d[2])]
        return self.page(req, "dataCenters", [self.data_center_view(dc, include) for dc in fits])

    def get_data_center(self, req):
        include = req.csv("include", ["GPU_AVAILABILITY", "CPU_AVAILABILITY"])
        self.find("data center", DATA_CENTERS, req.arg(0))
        return Answer(200, self.data_center_view(req.arg(0), include))

    # ---- billing

    FAMILIES = {
        "": (None, ["podGpuAmount", "podCpuAmount", "podDiskAmount", "serverlessGpuAmount", "serverlessCpuAmount",
                    "serverlessDiskAmount", "serverlessFeeAmount", "storageStandardAmount",
                    "storageHighPerformanceAmount", "endpointAmount", "clusterGpuAmount", "clusterDiskAmount",
                    "clusterNetworkingAmount"]),
        "pods": ("podId", ["gpuAmount", "cpuAmount", "diskAmount"]),
        "serverless": ("serverlessId", ["gpuAmount", "cpuAmount", "diskAmount", "feeAmount"]),
        "network-volumes": ("networkVolumeId", ["standardAmount", "highPerformanceAmount"]),
        "clusters": ("clusterId", ["gpuAmount", "diskAmount", "networkingAmount"]),
        "endpoints": (None, []),
    }

    def spent(self, start, end):
        """(family, id, {field: USD}) of what everything cost from start to end."""
        hours = lambda a, b: max(0.0, min(b, end) - max(a, start)) / 3600  # noqa: E731
        now = self.w.now()
        for p in list(self.w.pods.values()) + [x for x in self.w.past if "runs" in x]:
            run = sum(hours(a, b if b is not None else now) * rate for a, b, rate in p["runs"])
            on = sum(hours(a, b if b is not None else now) for a, b, _ in p["runs"])
            disk = on * p["disk"] * 0.10 / 730
            if run or disk:
                yield "pods", p["id"], {"gpuAmount" if p.get("gpu") else "cpuAmount": run, "diskAmount": disk}
        for v in list(self.w.volumes.values()) + [x for x in self.w.past if "sizes" in x]:
            sizes = v["sizes"] + [[now, 0]]
            amount = sum(hours(a, b) * gb * 0.07 / 730 for (a, gb), (b, _) in zip(sizes, sizes[1:]))
            if amount:
                yield "network-volumes", v["id"], {
                    "standardAmount" if v["type"] == "STANDARD" else "highPerformanceAmount": amount}
        for row in self.w.bill_rows:
            if start <= row["at"] < end:
                yield row["family"], row["id"], {k: v for k, v in row.items() if k.endswith("Amount")}

    @staticmethod
    def edge(t, size, step):
        """The edge of the bucket at or before t, then `step` buckets on."""
        d = datetime.datetime.fromtimestamp(t, datetime.timezone.utc).replace(minute=0, second=0, microsecond=0)
        if size != "hour":
            d = d.replace(hour=0)
        if size == "week":
            d -= datetime.timedelta(days=d.weekday())
        if size in ("month", "year"):
            months = 1 if size == "month" else 12
            d = d.replace(day=1, month=d.month if size == "month" else 1)
            n = d.year * 12 + d.month - 1 + months * step
            return float(calendar.timegm((n // 12, n % 12 + 1, 1, 0, 0, 0)))
        return d.timestamp() + step * {"hour": 3600, "day": 86400, "week": 604800}[size]

    def bill_window(self, req):
        size = req.query.get("bucketSize", "day")
        if size not in ("hour", "day", "week", "month", "year"):
            raise Problem(422, "Request validation failed.", ["bucketSize: not a bucket size"])
        now = self.w.now()
        if "lastN" in req.query:
            if "startTime" in req.query or "endTime" in req.query:
                raise Problem(400, "lastN excludes startTime and endTime")
            n = req.integer("lastN", 1, 100000, 1)
            return size, self.edge(now, size, 1 - n), self.edge(now, size, 1)
        start = moment(req.query["startTime"], "startTime") if "startTime" in req.query else now - 30 * 86400
        end = moment(req.query["endTime"], "endTime") if "endTime" in req.query else now
        if end <= start:
            raise Problem(400, "endTime is not after startTime")
        first, last = self.edge(start, size, 0), self.edge(end, size, 0)
        return size, first, last if last == end else self.edge(end, size, 1)

    def bill(self, req):
        family = req.arg(0) or ""
        id_name, fields = self.FAMILIES[family]
        size, start, end = self.bill_window(req)
        wanted = req.query.get(id_name) if id_name else None
        records, at, totals = [], start, dict.fromkeys(["totalAmount"] + fields, 0.0)
        while at < end:
            until = self.edge(at, size, 1)
            sums = {}
            for fam, id_, amounts in self.spent(at, until):
                if family and (fam != family or (wanted and id_ != wanted)):
                    continue
                slot = sums.setdefault(id_ if family else "", dict.fromkeys(fields, 0.0))
                for k, v in amounts.items():
                    slot[k if family else self.whole_field(fam, k)] += v
            for id_, amounts in sorted(sums.items()):
                record = {"startTime": stamp(at), "endTime": stamp(until), "totalAmount": sum(amounts.values()),
                          **amounts, **({id_name: id_} if id_name else {})}
                records.append(record)
                for k in totals:
                    totals[k] += record[k]
            at = until
        query = {"startTime": stamp(start), "endTime": stamp(end), "bucketSize": size}
        metadata = {"query": query, "recordCount": len(records), "totals": totals}
        if id_name:
            query[id_name] = wanted
            metadata["unique" + id_name[0].upper() + id_name[1:-2] + "Count"] = len({r[id_name] for r in records})
        return Answer(200, {"records": records, "metadata": metadata})

    @staticmethod
    def whole_field(family, field):
        if family == "network-volumes":
            return "storage" + field[0].upper() + field[1:]
        return {"pods": "pod", "serverless": "serverless", "clusters": "cluster"}[family] + field[0].upper() + field[1:]

    # ---- jobs

    def job_endpoint(self, req):
        if self.w.switches["job_429"] > 0:
            self.w.switches["job_429"] -= 1
            return None, Answer(429, {"error": "too many requests"}, {"Retry-After": "1"})
        e = self.w.endpoints.get(req.arg(0))
        if not e or e["type"] != "QUEUE":
            return None, Answer(404, {"error": f"endpoint {req.arg(0)} not found"})
        return e, None

    def run_job(self, req, sync=False):
        e, refused = self.job_endpoint(req)
        if refused:
            return refused
        b = req.body(RUN_JOB, limit=(20 if sync else 10) << 20)
        policy = b.get("policy", {})
        suffix = hashlib.sha256(self.w.new_id().encode()).hexdigest()
        job_id = f"{suffix[:8]}-{suffix[8:12]}-{suffix[12:16]}-{suffix[16:20]}-{suffix[20:32]}-u1"
        job = {"id": ("sync-" if sync else "") + job_id, "endpoint": e["id"], "input": b["input"], "sync": sync,
               "status": "IN_QUEUE", "made": self.w.now(), "started": None, "ended": None, "worker": None,
               "ttl": policy.get("ttl", 86400000) / 1000, "limit": policy.get("executionTimeout", 600000),
               "webhook": b.get("webhook"), "retried": 0}
        self.w.jobs[job["id"]] = job
        self.w.want_workers(e, 1)
        if not sync:
            return Answer(200, {"id": job["id"], "status": "IN_QUEUE"})
        until = time.monotonic() + req.integer("wait", 1000, 300000, 90000) / 1000
        while job["id"] in self.w.jobs and not job["ended"] and time.monotonic() < until:
            self.w.changed.wait(0.02)
            self.w.settle()
        return Answer(200, self.w.job_view(job))

    def run_sync(self, req):
        return self.run_job(req, sync=True)

    def job_of(self, req):
        e, refused = self.job_endpoint(req)
        job = self.w.jobs.get(req.arg(1)) if e else None
        if job and job["endpoint"] != e["id"]:
            job = None
        return job, refused or (None if job else Answer(404, {"error": "job not found"}))

    def job_status(self, req):
        job, refused = self.job_of(req)
        return refused or Answer(200, self.w.job_view(job))

    def job_stream(self, req):
        job, refused = self.job_of(req)
        return refused or Answer(200, {"status": job["status"],
                                       "stream": [{"output": job["output"]}] if "output" in job else []})

    def job_cancel(self, req):
        job, refused = self.job_of(req)
        if refused:
            return refused
        if not job["ended"]:
            job.update(status="CANCELLED", ended=self.w.now())
        return Answer(200, {"id": job["id"], "status": job["status"]})

    def job_retry(self, req):
        job, refused = self.job_of(req)
        if refused:
            return refused
        if job["status"] not in ("FAILED", "TIMED_OUT"):
            return Answer(400, {"error": f"a job that is {job['status']} cannot be retried"})
        job.pop("error", None)
        job.update(status="IN_QUEUE", made=self.w.now(), started=None, ended=None, retried=job["retried"] + 1)
        return Answer(200, {"id": job["id"], "status": "IN_QUEUE"})

    def job_purge(self, req):
        e, refused = self.job_endpoint(req)
        if refused:
            return refused
        waiting = [j for j in self.w.jobs.values() if j["endpoint"] == e["id"] and j["status"] == "IN_QUEUE"]
        for job in waiting:
            del self.w.jobs[job["id"]]
        return Answer(200, {"removed": len(waiting), "status": "completed"})

    def job_health(self, req):
        e, refused = self.job_endpoint(req)
        if refused:
            return refused
        mine = [j for j in self.w.jobs.values() if j["endpoint"] == e["id"]]
        count = lambda *s: sum(j["status"] in s for j in mine)  # noqa: E731
        states = [self.w.worker_status(e, w) for w in e["workers_now"]]
        return Answer(200, {
            "jobs": {"completed": count("COMPLETED"), "failed": count("FAILED", "TIMED_OUT"),
                     "inProgress": count("IN_PROGRESS"), "inQueue": count("IN_QUEUE"),
                     "retried": sum(j["retried"] for j in mine)},
            "workers": {"idle": states.count("IDLE"), "running": states.count("RUNNING"),
                        "initializing": states.count("INITIALIZING"), "ready": states.count("IDLE"),
                        "throttled": states.count("THROTTLED"), "unhealthy": states.count("UNHEALTHY")}})

    def job_requests(self, req):
        e, refused = self.job_endpoint(req)
        return refused or Answer(200, {"requests": [self.w.job_view(j) for j in self.w.jobs.values()
                                                    if j["endpoint"] == e["id"]]})

    # ---- load balancer, pod proxy

    def balance(self, req):
        e = self.w.endpoints.get(req.arg(0))
        if not e or e["type"] != "LOAD_BALANCER":
            return Answer(404, {"error": "endpoint not found"})
        path = req.arg(1) or "/"
        self.w.want_workers(e, 1)
        port = e["env"].get("PORT", "80")
        health = path == e["env"].get("HEALTH_CHECK_PATH", "/ping")
        if f"{port}/http" not in e["ports"]:
            return Answer(502, b"<html><body>502 Bad Gateway</body></html>", media="text/html")
        until = time.monotonic() + self.w.switches["lb_wait"]
        while not self.w.ready_worker(e) and not health and time.monotonic() < until:
            self.w.changed.wait(0.02)
        worker = self.w.ready_worker(e)
        if not worker:
            return Answer(204) if health and e["workers_now"] and not self.w.named("workers", e) else \
                Answer(503, {"error": "no workers available"})
        return Answer(200, {"path": path, "method": req.method, "query": req.query,
                            "body": req.raw.decode("utf-8", "replace")}, {"X-Runpod-Worker-Id": worker["id"]})

    def proxy(self, req):
        pod = self.w.pods.get(req.arg(0))
        if not pod or f"{req.arg(1)}/http" not in pod["ports"]:
            return Answer(404, b"<html><body>404</body></html>", media="text/html")
        if pod["status"] != "RUNNING" or self.w.now() < pod["since"] + self.w.delay("service"):
            return Answer(502, b"<html><body>502 Bad Gateway</body></html>", media="text/html")
        return Answer(200, {"pod": pod["id"], "path": req.arg(2) or "/"})

    # ---- what is retired

    def gone(self, req):
        self.w.violate(f"{req.method} {req.path}: REST v1 is retired")
        return Answer(410, b"Gone: this API was retired on 2026-11-15. Use https://api.runpod.io/v2\n",
                      {"Sunset": "Sun, 15 Nov 2026 00:00:00 GMT"}, "text/plain")

    def graphql(self, req):
        if not self.w.switches["graphql"]:
            return Answer(410, b"Gone\n", media="text/plain")
        try:
            query = json.loads(req.raw or b"null")["query"]
        except (ValueError, KeyError, TypeError):
            return Answer(400, {"errors": [{"message": "Must provide query string."}]})
        sunset = {"Sunset": "Mon, 01 Feb 2027 00:00:00 GMT"}
        if "myself" in query:
            spend = sum(p["rate"] for p in self.w.pods.values() if p["status"] not in ("EXITED", "ERROR", "TERMINATED"))
            return Answer(200, {"data": {"myself": {"clientBalance": self.w.switches["balance"],
                                                    "currentSpendPerHr": spend, "spendLimit": 80}}}, sunset)
        if "dataCenters" in query:
            return Answer(200, {"data": {"dataCenters": [{"id": dc, "s3apiEnabled": dc in WITH_S3}
                                                         for dc in DATA_CENTERS]}}, sunset)
        return Answer(200, {"errors": [{"message": "Cannot query field"}]}, sunset)


# ---------------------------------------------------------------- routes

CATALOG_QUERY = {"include", "product", "count", "cloud", "countryCodes", "cudaVersions", "minCudaVersion"}
LOG_QUERY = {"source", "tail", "since"}
PAGE_QUERY = {"cursor", "limit"}
BILL_QUERY = {"startTime", "endTime", "bucketSize", "lastN", "podId", "serverlessId", "networkVolumeId", "clusterId"}
ID = r"([^/]+)"
ROUTES = [  # path, {method: call}, whose right, known query parameters
    (r"/v2/pods", {"GET": "list_pods", "POST": "create_pod"}, "pods", PAGE_QUERY | {"includeClusterPods"}),
    (rf"/v2/pods/{ID}", {"GET": "get_pod", "PATCH": "update_pod", "DELETE": "delete_pod"}, "pods", ()),
    (rf"/v2/pods/{ID}/action", {"POST": "act_on_pod"}, "pods", ()),
    (rf"/v2/pods/{ID}/logs", {"GET": "pod_logs"}, "pods", LOG_QUERY),
    (r"/v2/network-volumes", {"GET": "list_volumes", "POST": "create_volume"}, "volumes", ()),
    (rf"/v2/network-volumes/{ID}", {"GET": "get_volume", "PATCH": "update_volume", "DELETE": "delete_volume"},
     "volumes", ()),
    (r"/v2/templates", {"GET": "list_templates", "POST": "create_template"}, "templates", ()),
    (rf"/v2/templates/{ID}", {"GET": "get_template", "PATCH": "update_template", "DELETE": "delete_template"},
     "templates", ()),
    (r"/v2/registries", {"GET": "list_registries", "POST": "create_registry"}, "registries", ()),
    (r"/v2/registries/delegations", {"GET": "list_delegations"}, "registries", ()),
    (rf"/v2/registries/{ID}", {"GET": "get_registry", "DELETE": "delete_registry"}, "registries", ()),
    (r"/v2/serverless", {"GET": "list_endpoints", "POST": "create_endpoint"}, "serverless", PAGE_QUERY),
    (rf"/v2/serverless/{ID}", {"GET": "get_endpoint", "PATCH": "update_endpoint", "DELETE": "delete_endpoint"},
     "serverless", ()),
    (rf"/v2/serverless/{ID}/workers", {"GET": "list_workers"}, "serverless", ()),
    (rf"/v2/serverless/{ID}/releases", {"GET": "list_releases"}, "serverless", PAGE_QUERY),
    (rf"/v2/serverless/{ID}/workers/{ID}/logs", {"GET": "worker_logs"}, "serverless", LOG_QUERY),
    (r"/v2/clusters", {"GET": "list_clusters"}, "clusters", ()),
    (r"/v2/account/ssh-keys", {"GET": "get_ssh_keys", "PUT": "put_ssh_keys"}, "account", ()),
    (r"/v2/catalog/gpus", {"GET": "list_gpus"}, "catalog", CATALOG_QUERY),
    (rf"/v2/catalog/gpus/{ID}", {"GET": "get_gpu"}, "catalog", CATALOG_QUERY),
    (r"/v2/catalog/cpus", {"GET": "list_cpus"}, "catalog", {"include", "product", "vcpuCount"}),
    (rf"/v2/catalog/cpus/{ID}", {"GET": "get_cpu"}, "catalog", {"include", "product", "vcpuCount"}),
    (r"/v2/catalog/datacenters", {"GET": "list_data_centers"}, "catalog",
     {"include", "regions", "networkVolumeTypes", "compliance", "globalNetwork"}),
    (rf"/v2/catalog/datacenters/{ID}", {"GET": "get_data_center"}, "catalog", {"include"}),
    (r"/v2/catalog/templates", {"GET": "catalog_templates"}, "catalog", {"source"}),
    (r"/v2/billing(?:/(pods|serverless|network-volumes|clusters|endpoints))?", {"GET": "bill"}, "billing", BILL_QUERY),
    (rf"/jobs/v2/{ID}/run", {"POST": "run_job"}, "jobs", ()),
    (rf"/jobs/v2/{ID}/runsync", {"POST": "run_sync"}, "jobs", {"wait"}),
    (rf"/jobs/v2/{ID}/status/{ID}", {"GET": "job_status"}, "jobs", {"ttl"}),
    (rf"/jobs/v2/{ID}/stream/{ID}", {"GET": "job_stream"}, "jobs", ()),
    (rf"/jobs/v2/{ID}/cancel/{ID}", {"POST": "job_cancel"}, "jobs", ()),
    (rf"/jobs/v2/{ID}/retry/{ID}", {"POST": "job_retry"}, "jobs", ()),
    (rf"/jobs/v2/{ID}/purge-queue", {"POST": "job_purge"}, "jobs", ()),
    (rf"/jobs/v2/{ID}/health", {"GET": "job_health"}, "jobs", ()),
    (rf"/jobs/v2/{ID}/requests", {"GET": "job_requests"}, "jobs", ()),
    (r"/graphql", {"POST": "graphql"}, "graphql", ()),
]
# any method; no rate limit; (path, call, needs a key)
FREE_ROUTES = [
    (rf"/lb/{ID}(/.*)?", "balance", True),
    (rf"/proxy/{ID}/(\d+)(/.*)?", "proxy", False),
    (r"/v1(/.*)?", "gone", False),
]
CREATES = ("/v2/pods", "/v2/serverless", "/v2/network-volumes", "/v2/templates", "/v2/registries")

# ---------------------------------------------------------------- HTTP

STATUS = {400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found",
          405: "Method Not Allowed", 409: "Conflict", 413: "Content Too Large", 422: "Unprocessable Entity",
          429: "Too Many Requests", 500: "Internal Server Error"}
SECRET = re.compile(r"key|token|secret|passw|credential", re.I)


def redacted(v, name=""):
    if isinstance(v, dict):
        return {k: redacted(x, k) for k, x in v.items()}
    if isinstance(v, list):
        return [redacted(x) for x in v]
    return "***" if isinstance(v, str) and SECRET.search(name) else v


class Request:
    def __init__(self, handler, world):
        self.w, self.method, self.headers = world, handler.command, handler.headers
        self.path, _, query = handler.path.partition("?")
        self.query_text = query
        pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
        self.query = dict(pairs)
        self.repeated = len(self.query) != len(pairs)
        self.base = f"http://{self.headers.get('Host', '')}"
        self.raw, self.parsed, self.match = b"", None, None

    def arg(self, i):
        v = self.match.group(i + 1)
        return None if v is None else urllib.parse.unquote(v)

    def body(self, schema, limit=102400):
        if len(self.raw) > limit:
            raise Problem(413, f"request body is above {limit} bytes")
        if (self.headers.get("Content-Type") or "").split(";")[0].strip().lower() != "application/json":
            self.w.violate(f"{self.method} {self.path}: Content-Type is not application/json")
            raise Problem(400, "content type must be application/json")
        try:
            self.parsed = json.loads(self.raw.decode())
        except ValueError:
            raise Problem(400, "request body is not valid JSON") from None
        bad = []
        schema(self.parsed, "$", bad)
        if bad:
            raise Problem(422, "Request validation failed.", bad)
        return self.parsed

    def integer(self, name, low, high, default):
        v = self.query.get(name)
        if v is None:
            return default
        if not re.fullmatch(r"\d{1,9}", v) or not low <= int(v) <= high:
            raise Problem(422, "Request validation failed.", [f"{name}: want an integer from {low} to {high}"])
        return int(v)

    def csv(self, name, allowed):
        values = [v for v in self.query.get(name, "").split(",") if v]
        for v in values:
            if v not in allowed:
                raise Problem(422, "Request validation failed.", [f"{name}: value must be one of " + ", ".join(allowed)])
        return values


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "cloudflare", ""
    wbufsize = 65536
    world = calls = None

    def setup(self):
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def handle(self):
        try:
            super().handle()
        except (BrokenPipeError, ConnectionResetError):
            pass  # the other side went away

    def finish(self):
        try:
            super().finish()
        except (BrokenPipeError, ConnectionResetError):
            pass

    def log_message(self, *args):
        pass

    def date_time_string(self, timestamp=None):
        real = self.world.switches["date"] == "real"
        return super().date_time_string(time.time() if real else self.world.now())

    # ---- one request

    def serve(self):
        req = Request(self, self.world)
        length = int(self.headers.get("Content-Length") or 0)
        req.raw = self.rfile.read(length) if length else b""
        if req.path.startswith("/_control"):
            self.send(req, Control(self.world, self.calls).answer(req), None)
            return
        key = self.key_of(req)
        try:
            answer = self.answer(req, key)
        except Drop:
            self.record(req, key, 0, "dropped")
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        except Problem as p:
            answer = self.problem(req, p)
        except Exception:  # a fault of the double must not look like one of the service
            text_ = traceback.format_exc()
            with self.world.lock:
                self.world.violate("the double failed: " + text_)
            answer = self.problem(req, Problem(500, "the double failed; see its stderr"))
        self.send(req, answer, key)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = serve

    def key_of(self, req):
        value = req.headers.get("Authorization")
        if value is None:
            return None
        if value.startswith("Bearer "):
            return value[7:]
        return value if req.path.startswith("/jobs/") else ""

    def problem(self, req, p):
        if p.status in (405, 413, 422):
            with self.world.lock:
                self.world.violate(f"{req.method} {req.path}: {p.status} {p.detail} {'; '.join(p.errors or [])}")
        body = {"title": STATUS.get(p.status, "Error"), "status": p.status, "detail": p.detail}
        if p.errors:
            body["errors"] = p.errors
        return Answer(p.status, body, p.headers, "application/problem+json")

    def manners(self, req):
        """What the service swallows, but no correct client does."""
        w = self.world
        at = f"{req.method} {req.path}"
        for k, v in req.headers.items():
            if k.lower() != "authorization" and "rpa_double" in v:
                w.violate(f"{at}: the key is in the header {k}")
        if "rpa_double" in self.path or b"rpa_double" in req.raw:
            w.violate(f"{at}: the key is outside the Authorization header")
        if len(req.headers.get_all("Authorization") or []) > 1:
            w.violate(f"{at}: Authorization came twice")
        if req.raw and req.method in ("GET", "DELETE", "HEAD"):
            w.violate(f"{at}: {req.method} with a body")
        if re.search(r"[^A-Za-z0-9\-._~!$&'()*+,;=:@%/?]", self.path) or re.search(r"%(?![0-9A-Fa-f]{2})", self.path):
            w.violate(f"{at}: the address is not percent-encoded")
        if "//" in req.path or (len(req.path) > 1 and req.path.endswith("/") and req.path.startswith("/v2/")):
            w.violate(f"{at}: an empty part in the path")
        if req.headers.get("Expect"):
            w.violate(f"{at}: Expect: {req.headers['Expect']}")
        if req.repeated:
            w.violate(f"{at}: a query parameter came twice")

    def answer(self, req, key):
        w = self.world
        with w.lock:
            self.manners(req)
            agent = req.headers.get("User-Agent") or ""
            if not re.match(r"[A-Za-z][\w.-]*/\d", agent) or agent.startswith(("curl/", "Python", "python")):
                w.violate(f"{req.method} {req.path}: User-Agent {agent!r}")
                return Answer(403, b"error code: 1010", media="text/plain")
            w.advance(w.tick)
            w.settle()
            slow = next((s for s in w.switches["slow"] if re.search(s["path"], req.path)), None)
        if slow:
            time.sleep(slow["seconds"])
        with w.lock:
            fault = w.take("fail", lambda f: f.get("method", req.method) == req.method and
                           re.search(f["path"], req.path))
            if fault:
                return self.faulty(fault)
            for pattern, call, needs_key in FREE_ROUTES:
                req.match = re.fullmatch(pattern, req.path)
                if req.match:
                    if needs_key:
                        self.check_key(req, key)
                    return getattr(self.calls, call)(req)
            self.check_key(req, key)
            self.check_rate(req, key)
            return self.route(req, key)

    @staticmethod
    def faulty(fault):
        if fault.get("drop"):
            raise Drop()
        status = fault.get("status", 502)
        if fault.get("html", True):
            page = fault.get("text") or f"<html><head><title>{status}</title></head><body>cloudflare</body></html>"
            return Answer(status, page.encode(), fault.get("headers"), "text/html")
        return Answer(status, {"title": STATUS.get(status, "Error"), "status": status,
                               "detail": fault.get("text", "on demand")}, fault.get("headers"), "application/problem+json")

    def check_key(self, req, key):
        if "api_key" in req.query:
            self.world.violate(f"{req.method} {req.path}: a key in the address")
        if key is None:
            raise Problem(401, "missing bearer token")
        if key not in KEYS:
            raise Problem(401, "invalid bearer token")

    def check_rate(self, req, key):
        w, s = self.world, self.world.switches
        now = w.now()
        held = w.hold_until.get(key, 0) - time.monotonic()
        if held > 0.05:
            w.violate(f"{req.method} {req.path}: asked again {held:.1f} s before the wait was over")
        ex = s["exhaust"]
        if ex and ex.get("times", 1) > 0:
            ex["times"] = ex.get("times", 1) - 1
            wait = max([ex.get("retry_after", 1)] + list(ex["windows"].values()))
            w.hold_until[key] = time.monotonic() + wait
            req.exhausted = ex["windows"]
            window = next(iter(ex["windows"]))
            raise Problem(429, f"rate limit exceeded for the {window} window",
                          headers={"Retry-After": str(ex.get("retry_after", 1))})
        for name, length in (("minute", 60), ("hour", 3600), ("day", 86400)):
            slot = (key, name, int(now // length))
            w.used[slot] = w.used.get(slot, 0) + 1
            if w.used[slot] > s["quota"][name]:
                left = int(length - now % length) + 1
                raise Problem(429, f"rate limit exceeded for the {name} window", headers={"Retry-After": str(left)})

    def rate_headers(self, req, key):
        s, now = self.world.switches, self.world.now()
        exhausted = getattr(req, "exhausted", {})
        state, policy = [], []
        for name, length in (("minute", 60), ("hour", 3600), ("day", 86400)):
            left = max(0, s["quota"][name] - self.world.used.get((key, name, int(now // length)), 0))
            r, t = (0, exhausted[name]) if name in exhausted else (left, int(length - now % length))
            state.append(f'"{name}";r={r};t={t}')
            policy.append(f'"{name}";q={s["quota"][name]};w={length}')
        return {"RateLimit": ", ".join(state), "RateLimit-Policy": ", ".join(policy)}

    def route(self, req, key):
        w = self.world
        for pattern, methods, resource, known in ROUTES:
            req.match = re.fullmatch(pattern, req.path)
            if not req.match:
                continue
            if req.method not in methods:
                raise Problem(405, "The requested method is not allowed for this path.",
                              headers={"Allow": ", ".join(sorted(methods))})
            self.check_rights(req, key, resource)
            for k in req.query:
                if k not in known:
                    w.violate(f"{req.method} {req.path}: unknown query parameter '{k}'")
            return self.call(req, methods[req.method])
        w.violate(f"{req.method} {req.path}: no such path")
        raise Problem(404, "resource not found")

    @staticmethod
    def check_rights(req, key, resource):
        level, only = KEYS[key]
        reads = req.method in ("GET", "HEAD")
        if level == "none" or (level == "read" and not reads) or (only is not None and resource not in only):
            raise Problem(403, "access denied")

    def call(self, req, name):
        w = self.world
        creates = req.method == "POST" and req.path in CREATES
        if req.method == "GET":
            w.in_doubt.pop(req.path, None)
        if creates and req.path in w.in_doubt:
            w.violate(f"POST {req.path}: created again without looking whether "
                      f"'{w.in_doubt.pop(req.path)}' had been made")
        doubt = w.take("ambiguous", lambda f: creates and f["path"] == req.path) if creates else None
        if not doubt:
            return getattr(self.calls, name)(req)
        if doubt.get("made", True):
            getattr(self.calls, name)(req)
        try:
            w.in_doubt[req.path] = json.loads(req.raw)["name"]
        except (ValueError, KeyError, TypeError):
            w.in_doubt[req.path] = ""
        if doubt.get("mode", "drop") == "drop":
            raise Drop()
        return self.faulty({"status": int(doubt["mode"])})

    # ---- sending

    def send(self, req, answer, key):
        w = self.world
        with w.lock:
            request_id = hashlib.sha256(f"{w.seed}/request/{len(w.requests)}".encode()).hexdigest()[:16]
            headers = dict(answer.headers)
            headers["x-request-id"] = request_id
            if key in KEYS and not req.path.startswith(("/_control", "/lb/", "/proxy/", "/v1", "/jobs/")):
                headers.update(self.rate_headers(req, key))
            self.record(req, key, answer.status, request_id)
        try:
            self.send_response(answer.status)
            for k, v in headers.items():
                self.send_header(k, v)
            if isinstance(answer, Stream):
                self.send_header("Content-Type", answer.media)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.send_stream(answer)
                return
            if answer.status != 204:
                self.send_header("Content-Type", answer.media)
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if req.method != "HEAD" and answer.status != 204:
                self.wfile.write(answer.body)
            self.wfile.flush()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def send_stream(self, answer):
        self.wfile.flush()
        for piece in answer.events:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def record(self, req, key, status, request_id):
        if req.path.startswith("/_control"):
            return
        body = None
        if req.raw:
            try:
                body = redacted(json.loads(req.raw))
            except ValueError:
                body = f"{len(req.raw)} bytes"
        who = key if key in KEYS else None if key is None else "unknown"
        entry = {"n": len(self.world.requests) + 1, "at": stamp(self.world.now()), "method": req.method,
                 "path": req.path, "query": redacted(req.query), "status": status, "id": request_id,
                 "key": who and who.replace("rpa_double_", ""), "agent": req.headers.get("User-Agent"), "body": body}
        self.world.requests.append(entry)
        self.world.log_file.write(json.dumps(entry) + "\n")


class Control:
    """The tests' side: /_control/NAME, JSON in and out."""

    def __init__(self, world, calls):
        self.w, self.calls = world, calls

    def answer(self, req):
        name = req.path.split("/")[2] if req.path.count("/") >= 2 else ""
        with self.w.lock:
            try:
                body = json.loads(req.raw) if req.raw else {}
                result = getattr(self, "do_" + name)(body)
                self.w.settle()
                self.w.changed.notify_all()
                return Answer(200, result)
            except (AttributeError, ValueError, KeyError, TypeError) as e:
                return Answer(400, {"error": f"{type(e).__name__}: {e}"})

    def do_set(self, body):
        for k in body:
            if k not in SWITCHES:
                raise ValueError(f"no switch '{k}'")
        merged(self.w.switches, body)
        return {k: self.w.switches[k] for k in body}

    def do_clock(self, body):
        how = body["how"]
        if how == "freeze":
            self.w.frozen = self.w.now()
        elif how == "run":
            self.w.offset, self.w.frozen = self.w.now() - time.time(), None
        elif how.startswith("tick="):
            self.w.tick = float(how[5:])
        elif how.startswith("+"):
            self.w.advance(float(how[1:]))
        else:
            self.w.frozen = moment(how, "clock")
        return {"now": stamp(self.w.now())}

    def do_log(self, body):
        for line in body["lines"]:
            self.w.log(body["owner"], body.get("source", "container"), line)
        return {}

    def do_get(self, body):
        what = body["what"]
        self.w.settle()
        if what == "clock":
            return {"now": stamp(self.w.now())}
        if what not in ("pods", "volumes", "endpoints", "templates", "registries", "jobs", "switches", "requests"):
            raise ValueError(f"nothing called '{what}'")
        held = getattr(self.w, what)
        return list(held.values()) if isinstance(held, dict) and what != "switches" else held

    def do_strict(self, body):
        found = list(self.w.violations)
        if body.get("reset"):
            self.w.violations.clear()
            self.w.hold_until.clear()
        return {"violations": len(found), "list": found}

    def do_put(self, body):
        if body["what"] != "volume":
            raise ValueError("only a volume can be put")
        return self.calls.volume_view(self.calls.make_volume(body["body"]))

    def do_bill(self, body):
        row = body["row"]
        self.w.bill_rows.append({**row, "at": moment(row["time"], "time")})
        return {}


# ---------------------------------------------------------------- programs


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def leave_with_parent(server):
    """A test that was killed leaves no server behind."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(0.5)
    server.shutdown()


def serve(folder, seed):
    os.makedirs(folder, exist_ok=True)
    world = World(folder, seed)
    Handler.world, Handler.calls = world, Calls(world)
    server = Server(("127.0.0.1", 0), Handler)
    url = f"http://127.0.0.1:{server.server_address[1]}"
    with open(os.path.join(folder, "url.new"), "w") as f:
        f.write(url + "\n")
    os.rename(os.path.join(folder, "url.new"), os.path.join(folder, "url"))
    print(url, flush=True)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    threading.Thread(target=leave_with_parent, args=(server,), daemon=True).start()
    server.serve_forever(poll_interval=0.1)


def call(url, method, path, body=None, *more):
    headers = {"User-Agent": "test/1", "Authorization": "Bearer rpa_double_full"}
    if body:
        headers["Content-Type"] = "application/json"
    for name, _, value in (line.partition(":") for line in more):
        headers[name] = value.strip()
    c = http.client.HTTPConnection(url.hostname, url.port, timeout=20)
    c.request(method, path, body or None, {k: v for k, v in headers.items() if v})
    r = c.getresponse()
    print(r.status, *(f"\n{k}: {v}" for k, v in r.getheaders()), "\n\n", r.read().decode(), sep="")
    sys.exit(0 if r.status < 300 else 1)


def ctl(folder, command, *args):
    with open(os.path.join(folder, "url")) as f:
        url = urllib.parse.urlsplit(f.read().strip())
    if command == "call":
        call(url, *args)
    body = {
        "set": lambda: json.loads(args[0]),
        "clock": lambda: {"how": args[0]},
        "log": lambda: {"owner": args[0], "lines": args[1:]},
        "get": lambda: {"what": args[0]},
        "strict": lambda: {"reset": "reset" in args},
        "put": lambda: {"what": args[0], "body": json.loads(args[1])},
        "bill": lambda: {"row": json.loads(args[0])},
    }[command]()
    c = http.client.HTTPConnection(url.hostname, url.port, timeout=20)
    c.request("POST", f"/_control/{command}", json.dumps(body))
    r = c.getresponse()
    answer = json.loads(r.read())
    print(json.dumps(answer, indent=1))
    if r.status != 200 or (command == "strict" and answer["violations"] and "reset" not in args):
        sys.exit(1)


if __name__ == "__main__":
    if len(sys.argv) >= 3 and sys.argv[1] == "serve":
        serve(sys.argv[2], sys.argv[4] if sys.argv[3:4] == ["--seed"] else "double")
    elif len(sys.argv) >= 4 and sys.argv[1] == "ctl":
        ctl(sys.argv[2], *sys.argv[3:])
    else:
        sys.exit(__doc__)

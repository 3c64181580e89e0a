"""The S3 rows of tests/peers/run: push and pull of 2 GB to and from one radosgw on this machine, beside other clients.

`b` is the runner: its functions run, table, say, safetensors, fresh, and its paths.
"""
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

GB = 10**9


def have(tool, *args):
    path = shutil.which(tool)
    candidates = ["/usr/bin/" + tool] + ([path] if path else [])
    for c in candidates:
        if os.path.exists(c) and subprocess.run([c, *args], capture_output=True, check=False).returncode == 0:
            return c
    return None


class Server:
    def __init__(self, root, work):
        self.tool, self.folder, self.root = os.path.join(root, "tests", "tools", "radosgw"), os.path.join(work, "radosgw"), root
        text = subprocess.run([self.tool, "start", self.folder, str(os.getpid())], stdout=subprocess.PIPE, text=True, check=True).stdout
        self.env = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        for name in ("AWS_CA_BUNDLE", "AWS_PROFILE", "AWS_SESSION_TOKEN", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
            os.environ.pop(name, None)
        os.environ.update(self.env)
        os.environ.update(AWS_ACCESS_KEY_ID=self.env["RGW_KEY"], AWS_SECRET_ACCESS_KEY=self.env["RGW_SECRET"],
                          AWS_ENDPOINT_URL=self.env["RGW_URL"], AWS_REGION="us-east-1", AWS_DEFAULT_REGION="us-east-1",
                          RCLONE_CONFIG_R_TYPE="s3", RCLONE_CONFIG_R_PROVIDER="Ceph", RCLONE_CONFIG_R_ENV_AUTH="true",
                          RCLONE_CONFIG_R_ENDPOINT=self.env["RGW_URL"], RCLONE_CONFIG="/dev/null")
        self.ask("bucket", "bench")

    def ask(self, *words):
        return subprocess.run([sys.executable, os.path.join(self.root, "tests", "tools", "s3.py"), *words],
                              stdout=subprocess.PIPE, text=True, check=False).stdout

    def clear(self, prefix):
        for line in self.ask("ls", "bench/" + prefix).splitlines():
            self.ask("rm", "bench/" + line.split(" ", 1)[1])

    def stop(self):
        subprocess.run([self.tool, "stop", self.folder], check=False)


def clients(b, server, model):
    """name -> (push, pull), each a function that returns (seconds, resident kB)."""
    url, got = server.env["RGW_URL"], os.path.join(b.work, "got")
    host = url.split("//")[1]
    sides = {}
    home, puller = os.path.join(b.work, "home"), os.path.join(b.work, "puller")
    b.run([b.MLO, "pack", model, "-t", "m:1", "-q"], home=b.fresh(home))
    sides["mlopsctl"] = (lambda: b.run([b.MLO, "push", "m:1", "s3://bench/mlopsctl", "-q"], home=home),
                         lambda: b.run([b.MLO, "pull", "m:1", "s3://bench/mlopsctl", "-q"], home=b.fresh(puller)))
    rclone, aws, s3cmd = have("rclone", "version"), have("aws", "--version"), have("s3cmd", "--version")
    if rclone:
        sides["rclone"] = (lambda: b.run([rclone, "copyto", model, "R:bench/rclone/m"]),
                           lambda: b.run([rclone, "copyto", "R:bench/rclone/m", b.fresh_file(got)]))
    if aws:
        sides["aws s3 cp"] = (lambda: b.run([aws, "--endpoint-url", url, "s3", "cp", "--only-show-errors", model, "s3://bench/aws/m"]),
                              lambda: b.run([aws, "--endpoint-url", url, "s3", "cp", "--only-show-errors", "s3://bench/aws/m", b.fresh_file(got)]))
    if s3cmd:
        own = [s3cmd, "-q", "--no-ssl", f"--host={host}", f"--host-bucket={host}"]
        sides["s3cmd"] = (lambda: b.run([*own, "put", model, "s3://bench/s3cmd/m"]),
                          lambda: b.run([*own, "get", "--force", "s3://bench/s3cmd/m", b.fresh_file(got)]))
    if b.DVC:
        sides["dvc"] = dvc(b, url, model)
    return sides


def dvc(b, url, model):
    folder = b.fresh(os.path.join(b.work, "dvc"))
    os.mkdir(folder)
    b.run(b.DVC + ["init", "-q", "--no-scm"], cwd=folder)
    b.run(["cp", model, folder + "/m"])
    b.run(b.DVC + ["remote", "add", "-q", "-d", "r", "s3://bench/dvc"], cwd=folder)
    b.run(b.DVC + ["remote", "modify", "-q", "r", "endpointurl", url], cwd=folder)
    b.run(b.DVC + ["add", "-q", "m"], cwd=folder)

    def pull():
        shutil.rmtree(folder + "/.dvc/cache")
        os.unlink(folder + "/m")
        return b.run(b.DVC + ["pull"], cwd=folder)
    return lambda: b.run(b.DVC + ["push"], cwd=folder), pull


def floor(b, server):
    """What reading the object from this server by one connection and hashing it on the way takes."""
    url = subprocess.run([have("aws", "--version"), "--endpoint-url", server.env["RGW_URL"], "s3", "presign", "s3://bench/aws/m"], stdout=subprocess.PIPE,
                         text=True, check=True).stdout.strip()
    return b.run(f"curl -sf '{url}' | openssl dgst -sha256")


def measure(b):
    b.say("## S3: push and pull of 2 GB\n")
    b.say("One radosgw in memory on this machine, which shares its cores with the clients; plain http on the loopback. Push: the object or "
          "the packs are not there; pull: into nothing. mlopsctl verifies every chunk and blob, the others what they verify.\n")
    server = Server(b.ROOT, b.work)
    try:
        rows(b, server)
        variant(b, server)
    finally:
        server.stop()


def rows(b, server):
    model = os.path.join(b.work, "s3.safetensors")
    b.safetensors(model, [2 * GB // 50 // 4 * 4] * 50, 1)
    size = os.path.getsize(model)
    sides = clients(b, server, model)
    push, pull, rss = {n: [] for n in sides}, {n: [] for n in sides}, {n: [0, 0] for n in sides}
    read = []
    for _ in range(b.RUNS):
        for name, (put, get) in sides.items():
            for way, act in ((0, put), (1, get)):
                seconds, peak = act()
                (push, pull)[way][name].append(seconds)
                rss[name][way] = max(rss[name][way], peak)
            if name == "aws s3 cp":
                read.append(floor(b, server)[0])
            server.clear(name.split()[0])  # the server's memory holds one copy at a time
            time.sleep(5)                  # and frees it meanwhile
    med = {n: (statistics.median(push[n]), statistics.median(pull[n])) for n in sides}
    best = [min(m[way] for n, m in med.items() if n not in ("mlopsctl", "dvc")) for way in (0, 1)]
    b.table(["client", "push s", "GB/s", "resident MB", "pull s", "GB/s", "resident MB"],
            [(n, f"{med[n][0]:.2f}", f"{size / med[n][0] / GB:.2f}", f"{rss[n][0] / 1024:.0f}",
              f"{med[n][1]:.2f}", f"{size / med[n][1] / GB:.2f}", f"{rss[n][1] / 1024:.0f}") for n in sides])
    b.say(f"Speed beside the best of rclone, aws and s3cmd (bar 0.9): push {best[0] / med['mlopsctl'][0]:.2f}, pull {best[1] / med['mlopsctl'][1]:.2f}.")
    if read:
        b.say(f"`curl | openssl dgst -sha256` of the same object, nothing stored: {statistics.median(read):.2f} s; "
              f"pull reaches {statistics.median(read) / med['mlopsctl'][1]:.2f} of that (bar 0.7).")
    b.say()
    os.unlink(model)
    shutil.rmtree(os.path.join(b.work, "dvc"), ignore_errors=True)
    shutil.rmtree(os.path.join(b.work, "puller"), ignore_errors=True)


def variant(b, server):
    sizes, changed, home = [GB // 2 // 50 // 4 * 4] * 50, (7, 31), os.path.join(b.work, "home")
    first, second = os.path.join(b.work, "a.safetensors"), os.path.join(b.work, "b.safetensors")
    b.safetensors(first, sizes, 1)
    b.safetensors(second, sizes, 3, reuse=first, change=changed)
    b.fresh(home)
    b.run([b.MLO, "pack", first, "-t", "m:1", "-q"], home=home)
    b.run([b.MLO, "pack", second, "-t", "m:2", "-q"], home=home)
    b.run([b.MLO, "push", "m:1", "s3://bench/v", "-q"], home=home)

    def total():
        return sum(int(line.split()[0]) for line in server.ask("ls", "bench/v").splitlines())
    before = total()
    b.run([b.MLO, "push", "m:2", "s3://bench/v", "-q"], home=home)
    written, want = total() - before, sum(sizes[i] for i in changed)
    env = dict(b.clean_env(), MLOPSCTL_HOME=home)
    again = json.loads(subprocess.run([b.MLO, "push", "m:2", "s3://bench/v", "--json"], env=env, stdout=subprocess.PIPE, check=True).stdout)
    b.say(f"Fine-tuned variant, 2 of 50 tensors changed: {want} bytes changed, {written} bytes written, ratio {written / want:.4f} (bar 1.01). "
          f"Unchanged push: {again['requests']} requests (bar 5).\n")
    for path in (first, second):
        os.unlink(path)

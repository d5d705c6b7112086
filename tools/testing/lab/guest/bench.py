# SPDX-License-Identifier: GPL-2.0
"""What benchmarks need to know of the machine that they run in."""

import glob
import os
import re
import socket
import subprocess
import time

BUFFER = 1 << 20
POLL = 0.005
# What ciphers are asked to do at once.
MESSAGE = 64 << 10
NO_CIPHER = "ecb(cipher_null)"


def busy() -> float:
    """Seconds that all processors together have spent on something since the boot."""
    with open("/proc/stat", encoding="utf-8") as file:
        ticks = [int(word) for word in file.readline().split()[1:9]]
    idle, waiting = ticks[3:5]
    return (sum(ticks) - idle - waiting) / os.sysconf("SC_CLK_TCK")


def switches() -> int:
    """Context switches since the boot."""
    with open("/proc/stat", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("ctxt "))


def moved(device: str) -> int:
    """Bytes that were read from and written to a device, by its path."""
    name = os.path.basename(os.path.realpath(device))
    with open(f"/sys/class/block/{name}/stat", encoding="utf-8") as file:
        words = [int(word) for word in file.read().split()]
    return (words[2] + words[6]) * 512


def state(device: str) -> dict[str, float]:
    """All that is counted, at one instant."""
    return {
        "busy": busy(),
        "switches": switches(),
        "bytes": moved(device),
    }


def watched(argv: list[str], device: str, patience: float) -> dict[str, object]:
    """Run a load, and count from its first request to its end."""
    before = now = state(device)
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        # The last state without a request of it: its start does not count.
        while now["bytes"] == before["bytes"] and process.poll() is None:
            before = now
            time.sleep(POLL)
            now = state(device)
        out, err = process.communicate(timeout=patience)
        after = state(device)
    finally:
        process.kill()
    if process.returncode != 0:
        raise RuntimeError(f"{argv[0]}: {err.decode(errors='replace')}")
    counted = {name: after[name] - before[name] for name in before}
    return {"out": out.decode(), "counted": counted}


def stream(seconds: float, warm: float) -> float:
    """Bytes per second of one TCP connection over the loopback interface."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    sender = subprocess.Popen(
        ["/usr/bin/python3", "-c", f"import lab.guest.bench as b; b.send({port})"]
    )
    connection, _ = listener.accept()
    listener.close()
    buffer = bytearray(BUFFER)
    begin, total = time.monotonic(), 0
    warming = True
    with connection:
        while (now := time.monotonic()) - begin < seconds or warming:
            if warming and now - begin >= warm:
                warming, begin, total = False, now, 0
            total += connection.recv_into(buffer)
        rate = total / (time.monotonic() - begin)
    sender.wait(30)
    return rate


def send(port: int) -> None:
    """Send until nobody listens."""
    data = bytes(BUFFER)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        try:
            while True:
                connection.sendall(data)
        except OSError:
            pass


def aead_pair(algorithm: str, seconds: float, warm: float) -> float:
    """Bytes per second that all processors seal and open again, with nothing else to do.

    Some processes seal while as many open, through the kernel's interface for programs. What
    that interface costs by itself is what a cipher that does nothing takes, and is left out.
    """
    # Programs may only use the ciphers that some of them need, unless somebody says otherwise.
    _tell("/proc/sys/crypto/af_alg_restrict", "0")
    each = max((os.cpu_count() or 1) // 2, 1)
    names = [algorithm] * 2 * each
    with_interface = _per_byte(names, seconds, warm)
    interface = _per_byte([NO_CIPHER] * 2 * each, seconds, warm)
    # Seconds of processors that one byte takes, sealed and opened.
    cost = sum(with_interface) / each - sum(interface) / each
    return (os.cpu_count() or 1) / cost


def _per_byte(algorithms: list[str], seconds: float, warm: float) -> list[float]:
    """Seconds that a byte takes in processes of their own, every other one of which opens."""
    processes = [
        subprocess.Popen(
            [
                "/usr/bin/python3",
                "-c",
                "import lab.guest.bench as b;"
                f"print(b.cipher_alone({name!r}, {bool(i % 2)}, {seconds}, {warm}))",
            ],
            stdout=subprocess.PIPE,
        )
        for i, name in enumerate(algorithms)
    ]
    patience = 30 + 4 * (seconds + warm)
    return [1 / float(process.communicate(timeout=patience)[0]) for process in processes]


def cipher_alone(algorithm: str, opens: bool, seconds: float, warm: float) -> float:
    """Bytes per second of one cipher on one processor, 64 KiB at a time."""
    none = algorithm == NO_CIPHER
    tag = 0 if none else 16
    with socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET) as chosen:
        chosen.bind(("skcipher" if none else "aead", algorithm))
        if not none:
            chosen.setsockopt(socket.SOL_ALG, socket.ALG_SET_KEY, bytes(32))
            chosen.setsockopt(socket.SOL_ALG, socket.ALG_SET_AEAD_AUTHSIZE, None, tag)
        operation, _ = chosen.accept()
    how: dict[str, object] = {} if none else {"iv": bytes(12), "assoclen": 0}
    plain = bytearray(MESSAGE)
    sealed = bytearray(MESSAGE + tag)
    with operation:

        def once(from_: bytearray, to: bytearray, action: int) -> None:
            operation.sendmsg_afalg([from_], op=action, **how)
            if operation.recv_into(to) != len(to):
                raise RuntimeError(f"{algorithm}: a short answer")

        once(plain, sealed, socket.ALG_OP_ENCRYPT)
        work = (
            (sealed, plain, socket.ALG_OP_DECRYPT)
            if opens
            else (plain, sealed, socket.ALG_OP_ENCRYPT)
        )
        done, begin, warming = 0, time.monotonic(), True
        while (now := time.monotonic()) - begin < seconds or warming:
            if warming and now - begin >= warm:
                warming, begin, done = False, now, 0
            once(*work)
            done += MESSAGE
        return done / (time.monotonic() - begin)


def nvme_device(subsystem: str) -> str:
    """Path of the disk of a subsystem that nvme-tcp is connected to, or nothing.

    If it was connected to several times, that of the connection made last.
    """
    found = []
    for path in glob.glob("/sys/class/block/nvme*n*"):
        name = os.path.basename(path)
        try:
            with open(f"{path}/device/subsysnqn", encoding="utf-8") as file:
                same = file.read().strip() == subsystem
            with open(f"{path}/size", encoding="utf-8") as file:
                empty = int(file.read()) == 0
        except OSError:
            continue
        number = re.fullmatch(r"nvme(\d+)n\d+", name)
        if same and not empty and number and os.path.exists(f"/dev/{name}"):
            found.append((int(number[1]), f"/dev/{name}"))
    return max(found)[1] if found else ""


def one_after_another(scripts: list[str]) -> list[float]:
    """Run shell scripts; how many seconds each has taken."""
    seconds = []
    for script in scripts:
        begin = time.monotonic()
        subprocess.run(["sh", "-ec", script], check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.monotonic() - begin)
    return seconds


def _tell(path: str, text: str) -> None:
    """Write to a file of the kernel, if there is one."""
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError:
        pass


def kernel_memory() -> int:
    """Bytes that the kernel itself uses, without what it only keeps for the next time."""
    os.sync()
    _tell("/proc/sys/vm/drop_caches", "3")
    for path in glob.glob("/sys/kernel/slab/*/shrink"):
        _tell(path, "1")
    # Also collects free pages that processors have put aside.
    _tell("/proc/sys/vm/compact_memory", "1")
    fields = {}
    with open("/proc/meminfo", encoding="utf-8") as file:
        for line in file:
            name, value = line.split(":")
            fields[name] = int(value.split()[0]) << 10
    others = ("MemFree", "Buffers", "Cached", "SReclaimable", "AnonPages", "PageTables")
    return fields["MemTotal"] - sum(fields[name] for name in others)


def settled_memory() -> int:
    """The same when it has not become less for a while: some things are given back later."""
    least, same = kernel_memory(), 0
    for _ in range(60):
        time.sleep(0.25)
        now = kernel_memory()
        same = same + 1 if now >= least else 0
        least = min(least, now)
        if same == 4:
            break
    return least

"""Workloads of a Python interpreter: TASK SEED ROUNDS does fixed work and prints a checksum.

Does not measure time, and wants nothing newer than Python 3.8.
"""

import json
import math
import re
import sys
from random import Random

WORDS = "the build of a library takes memory and time which was measured here not believed because".split()


class Account:
    """Something with methods, a property and a subclass, as programs have them."""

    def __init__(self, balance):
        self._balance = balance

    @property
    def balance(self):
        return self._balance

    def charge(self, amount):
        if amount > self._balance:
            raise ValueError(amount)
        self._balance -= amount
        return self

    def fee(self):
        return 1


class Savings(Account):
    def fee(self):
        return super().fee() + 1


def calls(random):
    accounts = [Account(1000) if random.random() < 0.5 else Savings(1000) for _ in range(200)]
    refused = 0
    for _ in range(60):
        for account in accounts:
            try:
                account.charge(random.randrange(60)).charge(account.fee())
            except ValueError as error:
                refused += error.args[0]
    return refused + sum(account.balance for account in accounts)


def numbers(random):
    bodies = [[random.uniform(-9, 9) for _ in range(6)] + [random.uniform(0.1, 2)] for _ in range(6)]
    for _ in range(150):
        for n, one in enumerate(bodies):
            for other in bodies[n + 1 :]:
                away = [a - b for a, b in zip(one[:3], other[:3])]
                force = 0.001 / (sum(it * it for it in away) + 0.01) ** 1.5
                for axis in range(3):
                    one[3 + axis] -= away[axis] * other[6] * force
                    other[3 + axis] += away[axis] * one[6] * force
            for axis in range(3):
                one[axis] += one[3 + axis] * 0.001
    energy = sum(it[6] * math.hypot(*it[3:6]) ** 2 for it in bodies)
    factorial = 1
    for n in range(1, 260):
        factorial *= n
    return int(energy * 1e6) ^ factorial % 1000003


def containers(random):
    values = [random.randrange(5000) for _ in range(6000)]
    groups = {}
    for value in values:
        groups.setdefault(value % 97, []).append(value)
    ordered = sorted(values, key=lambda value: (value % 13, -value))
    seen = {value for value in values if value % 3}
    tail = [value for group in groups.values() for value in group[::-1] if value in seen]
    queue = list(range(500))
    while len(queue) > 1:
        first = queue.pop()
        queue[first % len(queue)] ^= first
    return sum(ordered[:100]) + sum(tail) + len(seen) + queue[0]


def text(random):
    lines = [" ".join(random.choice(WORDS) for _ in range(12)) for _ in range(250)]
    whole = "\n".join(lines)
    found = len(re.findall(r"\b(\w+)\s+of\s+(\w+)", whole))
    swapped = re.sub(r"[aeiou]+", lambda match: match.group().upper(), whole)
    columns = [line.split(" ") for line in swapped.splitlines()]
    shown = "".join(f"{n:>5}|{row[0]:<12}|{len(row):03d}\n" for n, row in enumerate(columns))
    coded = shown.encode("utf-8").replace(b"|", b"\xc3\xa4").decode("utf-8")
    return found + sum(map(ord, coded[::7]))


def json_task(random):
    rows = [
        {"id": n, "name": random.choice(WORDS), "ratio": random.random(), "tags": WORDS[n % 7 :], "none": None}
        for n in range(150)
    ]
    written = json.dumps(rows, sort_keys=True)
    read = json.loads(written)
    pretty = json.dumps(read, indent=1)
    return len(written) + len(pretty) + sum(row["id"] for row in read)


TASKS = {"calls": calls, "numbers": numbers, "containers": containers, "text": text, "json": json_task}


def main():
    task, seed, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    random = Random(seed)
    total = 0
    for _ in range(rounds):
        total = (total * 31 + TASKS[task](random)) % (1 << 64)
    print(f"{total:016x}")


main()

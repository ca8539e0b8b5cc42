// What Node.js is trained with: parsing, text, numbers, containers, promises and streams.
//
// The argument is the number of rounds. Does not read or write files.
"use strict";

const rounds = Number(process.argv[2] || 1);

function text(round) {
  const words = [];
  for (let i = 0; i < 20000; i += 1) {
    words.push(`${(i * 7919 + round) % 997}:${(i * 104729) % 1009}`);
  }
  const joined = words.join(" ");
  return joined.replace(/(\d+):(\d+)/g, "$2-$1").split(" ").sort().length;
}

function json(round) {
  const records = [];
  for (let i = 0; i < 5000; i += 1) {
    records.push({ id: i, name: `record ${i}`, tags: ["a", "b", String(round)], nested: { x: i / 3 } });
  }
  const copy = JSON.parse(JSON.stringify(records));
  return copy.reduce((sum, record) => sum + record.nested.x, 0);
}

function containers(round) {
  const map = new Map();
  for (let i = 0; i < 50000; i += 1) {
    const key = (i * 31 + round) % 4096;
    map.set(key, (map.get(key) || 0) + 1);
  }
  return [...new Set([...map.values()])].length;
}

function numbers(round) {
  const field = new Float64Array(1 << 16);
  for (let i = 1; i < field.length; i += 1) {
    field[i] = Math.sqrt(field[i - 1] * 0.5 + i + round);
  }
  return field[field.length - 1];
}

async function asynchronous() {
  const turn = (value) => new Promise((resolve) => setImmediate(() => resolve(value)));
  let sum = 0;
  for (let i = 0; i < 500; i += 1) {
    sum += await turn(i);
  }
  return sum;
}

(async () => {
  let check = 0;
  for (let round = 0; round < rounds; round += 1) {
    check += text(round) + json(round) + containers(round) + numbers(round) + (await asynchronous());
  }
  process.stdout.write(`trained: ${Math.round(check)}\n`);
})();

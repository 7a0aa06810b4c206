"use strict";
// The findings as embedded by html_data.py: an index of all, chunks of details parsed when they are looked at.

const INDEX = JSON.parse(document.getElementById("index").textContent);
const CHUNKS = Array.from(document.querySelectorAll("script.chunk"));
const ROWS = INDEX.rows;

// Places in a row of the index.
const ROW = {
  id: 0, priority: 1, score: 2, urgency: 3, path: 4, evidence: 5, unit: 6, state: 7, time: 8, elements: 9,
  indicators: 10, languages: 11, rank: 12
};
// Places in the details of a finding, in a line of its arithmetic, and in a rule.
const DETAIL = {
  address: 0, type: 1, typeName: 2, size: 3, owner: 4, meta: 5, times: 6, hashes: 7, lines: 8, rest: 9, damped: 10,
  innocent: 11, caveats: 12, notes: 13, also: 14, alsoCount: 15
};
const LINE = {
  rule: 0, contribution: 1, count: 2, offset: 3, length: 4, before: 5, match: 6, after: 7, address: 8, encoding: 9
};
const RULE = { id: 0, label: 1, indicator: 2, element: 3, weight: 4, language: 5 };

const KEPT_CHUNKS = 24;
const parsed = new Map();

function text(place) {
  return place < 0 ? "" : INDEX.strings[place];
}

function indicatorName(place) {
  return INDEX.indicators[place][1];
}

function readChunk(number) {
  return JSON.parse(CHUNKS[number].textContent).details;
}

/** The details of the finding at a place of the index; the chunks read last are kept. */
function detail(place) {
  const number = Math.floor(place / INDEX.chunk);
  let chunk = parsed.get(number);
  if (chunk === undefined) {
    chunk = readChunk(number);
    parsed.set(number, chunk);
    if (parsed.size > KEPT_CHUNKS) {
      parsed.delete(parsed.keys().next().value);
    }
  }
  return chunk[place % INDEX.chunk];
}

function isHit(line) {
  return line.length > LINE.count;
}

function strongestHit(details) {
  let best = null;
  for (const line of details[DETAIL.lines]) {
    if (isHit(line) && (best === null || line[LINE.contribution] > best[LINE.contribution])) {
      best = line;
    }
  }
  return best;
}

// Texts to search in, in lower case; filled in slices when text is first looked for.
const haystacks = [];

function haystack(row, details) {
  const parts = [row[ROW.id], row[ROW.path], details[DETAIL.address], text(details[DETAIL.type])];
  for (const line of details[DETAIL.lines]) {
    const rule = INDEX.rules[line[LINE.rule]];
    parts.push(rule[RULE.id], rule[RULE.label]);
    if (isHit(line)) {
      parts.push(indicatorName(rule[RULE.indicator]), line[LINE.before] + line[LINE.match] + line[LINE.after]);
    }
  }
  parts.push(...details[DETAIL.caveats].map(text), ...details[DETAIL.notes].map(text), ...details[DETAIL.also]);
  parts.push(...Object.values(details[DETAIL.hashes]));
  return parts.join("\n").toLowerCase();
}

/** Fill more haystacks for at most `milliseconds`; true when all are there. */
function fillHaystacks(milliseconds) {
  const end = performance.now() + milliseconds;
  while (haystacks.length < ROWS.length && performance.now() < end) {
    const start = haystacks.length;
    readChunk(Math.floor(start / INDEX.chunk)).forEach((details, offset) => {
      haystacks.push(haystack(ROWS[start + offset], details));
    });
  }
  return haystacks.length >= ROWS.length;
}

function words(query) {
  return query.toLowerCase().split(/\s+/).filter((word) => word !== "");
}

/** Places of the findings that pass the filter, in rank order. */
function filtered(filter) {
  const wanted = words(filter.text);
  const out = [];
  for (let place = 0; place < ROWS.length; place += 1) {
    const row = ROWS[place];
    if (
      (filter.priority === "" || row[ROW.priority] <= Number(filter.priority)) &&
      (filter.state === "" || row[ROW.state] === Number(filter.state)) &&
      (filter.evidence === "" || row[ROW.evidence] === Number(filter.evidence)) &&
      (filter.unit === "" || row[ROW.unit] === Number(filter.unit)) &&
      (filter.element === "" || row[ROW.elements].includes(Number(filter.element))) &&
      (filter.indicator === "" || row[ROW.indicators].includes(Number(filter.indicator))) &&
      (filter.language === "" || row[ROW.languages].includes(Number(filter.language))) &&
      wanted.every((word) => haystacks[place].includes(word))
    ) {
      out.push(place);
    }
  }
  return out;
}

const ORDERS = {
  rank: (a, b) => a - b,
  score: (a, b) => ROWS[b][ROW.score] - ROWS[a][ROW.score] || a - b,
  urgency: (a, b) => ROWS[b][ROW.urgency] - ROWS[a][ROW.urgency] || a - b,
  time: (a, b) => compare(ROWS[b][ROW.time], ROWS[a][ROW.time]) || a - b,
  path: (a, b) => compare(ROWS[a][ROW.path], ROWS[b][ROW.path]) || a - b
};

function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** How many findings have each value of a column, as [place, count], most first. */
function tally(column) {
  const counts = new Map();
  for (const row of ROWS) {
    for (const value of Array.isArray(row[column]) ? row[column] : [row[column]]) {
      counts.set(value, (counts.get(value) || 0) + 1);
    }
  }
  return Array.from(counts).sort((a, b) => b[1] - a[1] || a[0] - b[0]);
}

// One finding as elements: its row, and the details below it. Text only ever goes in as textContent.

const URGENCY = ["", "ongoing", "at risk now"];

const byId = (id) => document.getElementById(id);
const SEVERAL = tally(ROW.evidence).length > 1;

function make(tag, className, content) {
  const element = document.createElement(tag);
  if (className) {
    element.className = className;
  }
  if (content !== undefined && content !== "") {
    element.textContent = content;
  }
  return element;
}

function add(parent, ...children) {
  parent.append(...children);
  return parent;
}

function bdi(content) {
  return make("bdi", "", content);
}

/** Text with the escapes of hidden characters set apart, so that they read left to right in any text. */
function addText(parent, content) {
  content.split(/(\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}))/).forEach((piece, index) => {
    if (index % 2 === 1) {
      const escape = make("bdi", "escape", piece);
      escape.dir = "ltr";
      add(parent, escape);
    } else if (piece !== "") {
      add(parent, piece);
    }
  });
  return parent;
}

function passage(line, className) {
  const element = make("span", className);
  element.dir = "auto";
  addText(element, line[LINE.before]);
  if (line[LINE.match] !== "") {
    add(element, addText(make("mark"), line[LINE.match]));
  }
  return addText(element, line[LINE.after]);
}

function signed(value) {
  return value === null ? "not a number" : (value < 0 ? "\u2212" : "+") + Math.abs(value).toFixed(6);
}

// ---------------------------------------------------------------- rows

function rowElement(place) {
  const row = ROWS[place];
  const item = make("li", "finding");
  item.dataset.place = String(place);
  const head = make("button", "head");
  head.type = "button";
  head.setAttribute("aria-expanded", "false");
  const priority = INDEX.priorities[row[ROW.priority]];
  const mark = add(make("span", "mark"), make("span", "badge " + priority, priority), " ");
  add(mark, make("span", "score", row[ROW.score] === null ? "?" : row[ROW.score].toFixed(2)));
  const path = make("span", "path");
  if (SEVERAL) {
    add(path, make("bdi", "quiet", text(row[ROW.evidence])), " ");
  }
  add(path, bdi(row[ROW.path]));
  path.dir = "ltr";
  const why = make("span", "why");
  if (row[ROW.urgency] > 0) {
    add(why, make("span", "urgent u" + row[ROW.urgency], URGENCY[row[ROW.urgency]] || URGENCY[2]), " ");
  }
  add(why, row[ROW.indicators].slice(0, 3).map(indicatorName).join(", "));
  const body = add(make("span", "body"), path, why);
  const best = strongestHit(detail(place));
  if (best !== null) {
    add(body, passage(best, "passage"));
  }
  head.addEventListener("click", () => toggle(item));
  return add(item, add(head, make("span", "rank", String(row[ROW.rank])), mark, body));
}

function toggle(item, open) {
  const head = item.querySelector("button.head");
  const old = item.querySelector(".detail");
  const wanted = open === undefined ? old === null : open;
  if (wanted && old === null) {
    add(item, detailElement(Number(item.dataset.place)));
  } else if (!wanted && old !== null) {
    old.remove();
  }
  item.classList.toggle("open", wanted);
  head.setAttribute("aria-expanded", String(wanted));
}

// ---------------------------------------------------------------- details

function detailElement(place) {
  const row = ROWS[place];
  const details = detail(place);
  const main = add(make("div", "main"), arithmetic(row, details));
  const side = make("div", "side");
  remarks(main, "Usual innocent readings", details[DETAIL.innocent].map(text));
  remarks(main, "Lowered by", details[DETAIL.damped].map(text));
  remarks(main, "Caveats", details[DETAIL.caveats].map(text));
  remarks(main, "Notes", details[DETAIL.notes].map(text));
  metadata(side, row, details);
  const more = details[DETAIL.alsoCount] - details[DETAIL.also].length;
  remarks(side, "Same content at", details[DETAIL.also].concat(more > 0 ? ["and " + more + " more"] : []), "path");
  return add(make("div", "detail"), main, side);
}

function arithmetic(row, details) {
  const table = make("table", "sum");
  add(table, make("caption", "", "How the score comes about"));
  const header = add(make("tr"), make("th", "n", "Adds"), make("th", "", "Because of"));
  header.querySelectorAll("th").forEach((cell) => cell.setAttribute("scope", "col"));
  add(table, add(make("thead"), header));
  const body = make("tbody");
  let total = 0;
  for (const line of details[DETAIL.lines]) {
    total += line[LINE.contribution] || 0;
    add(body, isHit(line) ? hitRow(line) : plainRow(line[LINE.contribution], ruleOf(line)[RULE.label]));
  }
  const [count, rest] = details[DETAIL.rest];
  if (count > 0) {
    total += rest || 0;
    add(body, plainRow(rest, count + " more lines; all of them are in report.json"));
  }
  add(table, body);
  const label = add(make("td"), make("b", "", "Score " + (row[ROW.score] === null ? "?" : row[ROW.score].toFixed(6))));
  return add(table, add(make("tfoot"), add(make("tr"), make("td", "n", signed(total)), label)));
}

function ruleOf(line) {
  return INDEX.rules[line[LINE.rule]];
}

function plainRow(contribution, label) {
  const cell = make("td", "adjustment");
  return add(make("tr"), make("td", "n", signed(contribution)), add(cell, bdi(label)));
}

function hitRow(line) {
  const rule = ruleOf(line);
  const cell = make("td");
  const title = add(make("p", "reason"), make("b", "", indicatorName(rule[RULE.indicator])));
  if (rule[RULE.element] !== "") {
    add(title, " ", make("span", "tag", rule[RULE.element]));
  }
  add(title, ": ", bdi(rule[RULE.label]));
  const facts = [rule[RULE.id], text(rule[RULE.language]), "weight " + rule[RULE.weight]];
  facts.push("offset " + line[LINE.offset] + ", " + line[LINE.length] + " bytes");
  if (line[LINE.count] > 1) {
    facts.push(line[LINE.count] + " times");
  }
  if (text(line[LINE.encoding]) !== "") {
    facts.push(text(line[LINE.encoding]));
  }
  add(cell, title, passage(line, "passage full"), add(make("p", "facts"), bdi(facts.join(" · "))));
  if (line[LINE.address] >= 0) {
    const where = add(make("p", "facts path"), "in ", bdi(text(line[LINE.address])));
    where.dir = "ltr";
    add(cell, where);
  }
  return add(make("tr"), make("td", "n", signed(line[LINE.contribution])), cell);
}

function remarks(parent, title, values, className) {
  if (values.length === 0) {
    return;
  }
  const block = make("ul", className || "");
  values.forEach((value) => add(block, add(make("li"), bdi(value))));
  add(parent, make("h4", "", title), block);
}

function metadata(parent, row, details) {
  const pairs = [
    ["id", row[ROW.id]], ["address", details[DETAIL.address]],
    ["type", [text(details[DETAIL.type]), text(details[DETAIL.typeName])].filter((part) => part !== "").join(", ")],
    ["unit", text(row[ROW.unit])], ["size", details[DETAIL.size]], ["state", text(row[ROW.state])],
    ["metadata address", details[DETAIL.meta]], ["owner", text(details[DETAIL.owner])],
    ["elements", row[ROW.elements].map(text).join(", ")],
    ...Object.entries(details[DETAIL.times]), ...Object.entries(details[DETAIL.hashes]),
    ["explain", "triage show CASE " + row[ROW.id]]
  ];
  const block = make("dl", "pairs");
  for (const [name, value] of pairs) {
    if (value !== "") {
      const shown = add(make("dd", name === "explain" ? "command" : ""), bdi(value));
      shown.dir = "ltr";
      add(block, add(make("div", name === "explain" ? "over" : ""), make("dt", "", name), shown));
    }
  }
  add(parent, make("h4", "", "Metadata"), block);
}

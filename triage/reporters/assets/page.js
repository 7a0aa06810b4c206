// The list of findings: filter, sort, pages and keys.

const PAGE = 50;
const FILTERS = ["priority", "element", "indicator", "language", "state", "evidence", "unit"];
const controls = byId("controls");
const list = byId("list");
const view = { shown: [], page: 0, timer: 0 };

// ---------------------------------------------------------------- filter, sort, pages

function state() {
  const filter = { text: byId("text").value };
  FILTERS.forEach((name) => { filter[name] = byId(name).value; });
  return filter;
}

function apply() {
  const filter = state();
  clearTimeout(view.timer);
  if (words(filter.text).length > 0 && !fillHaystacks(40)) {
    byId("status").textContent = "Reading " + Math.floor((100 * haystacks.length) / ROWS.length) + " % \u2026";
    view.timer = setTimeout(apply, 0);
    return;
  }
  view.shown = filtered(filter).sort(ORDERS[byId("sort").value]);
  showPage(0);
}

function pages() {
  return Math.max(1, Math.ceil(view.shown.length / PAGE));
}

function showPage(page) {
  view.page = Math.min(Math.max(0, page), pages() - 1);
  const start = view.page * PAGE;
  const places = view.shown.slice(start, start + PAGE);
  list.replaceChildren(...places.map(rowElement));
  const all = view.shown.length.toLocaleString("en");
  const range = places.length === 0 ? "No finding passes the filter." : start + 1 + "\u2013" + (start + places.length) + " of " + all;
  byId("status").textContent = range + (view.shown.length < ROWS.length ? " (" + ROWS.length.toLocaleString("en") + " in all)" : "");
  byId("previous").disabled = view.page === 0;
  byId("following").disabled = view.page === pages() - 1;
}

function openFinding(id) {
  const place = ROWS.findIndex((row) => row[ROW.id] === id);
  if (place < 0) {
    return;
  }
  if (!view.shown.includes(place)) {
    clearFilter();
  }
  showPage(Math.floor(view.shown.indexOf(place) / PAGE));
  const item = Array.from(list.children).find((child) => child.dataset.place === String(place));
  toggle(item, true);
  item.querySelector("button.head").focus({ preventScroll: true });
  item.scrollIntoView({ block: "start" });
}

function clearFilter() {
  controls.reset();
  apply();
}

function fill(name, entries, first) {
  const select = byId(name);
  add(select, make("option", "", first));
  select.firstChild.value = "";
  for (const [value, label] of entries) {
    const option = make("option", "", label);
    option.value = String(value);
    add(select, option);
  }
  select.disabled = entries.length === 0;
}

function fillFilters() {
  const counted = (column, name) => tally(column).map(([place, count]) => [place, name(place) + " (" + count.toLocaleString("en") + ")"]);
  fill("priority", INDEX.priorities.slice(0, -1).map((name, place) => [place, place === 0 ? name : name + " and above"]), "any");
  fill("element", counted(ROW.elements, text), "any");
  fill("indicator", counted(ROW.indicators, indicatorName), "any");
  fill("language", counted(ROW.languages, text), "any");
  fill("state", counted(ROW.state, text), "any");
  fill("evidence", counted(ROW.evidence, text), "any");
  fill("unit", counted(ROW.unit, text), "any");
}

// ---------------------------------------------------------------- keys

function current() {
  return document.activeElement ? document.activeElement.closest("li.finding") : null;
}

function move(step) {
  const item = current();
  const heads = Array.from(list.querySelectorAll("button.head"));
  let next = item === null ? (step > 0 ? 0 : heads.length - 1) : heads.indexOf(item.querySelector("button.head")) + step;
  if (next >= heads.length && view.page < pages() - 1) {
    showPage(view.page + 1);
    next = 0;
  } else if (next < 0 && view.page > 0) {
    showPage(view.page - 1);
    next = PAGE - 1;
  }
  const head = list.querySelectorAll("button.head")[next];
  if (head) {
    head.focus({ preventScroll: true });
    head.scrollIntoView({ block: "nearest" });
  }
}

function leave(event) {
  const item = current();
  if (event.target === byId("text") && event.target.value !== "") {
    event.target.value = "";
    apply();
  } else if (item !== null && item.classList.contains("open")) {
    toggle(item, false);
    item.querySelector("button.head").focus();
  } else if (document.activeElement) {
    document.activeElement.blur();
  }
}

function onKey(event) {
  const typing = event.target.matches("input, select, textarea");
  if (event.ctrlKey || event.altKey || event.metaKey) {
    return;
  }
  if (event.key === "Escape") {
    leave(event);
  } else if (event.key === "Enter" && event.target === byId("text")) {
    event.preventDefault();
    move(1);
  } else if (!typing && (event.key === "j" || event.key === "k")) {
    event.preventDefault();
    move(event.key === "j" ? 1 : -1);
  } else if (!typing && event.key === "/") {
    event.preventDefault();
    byId("text").focus();
    controls.scrollIntoView({ block: "nearest" });
  }
}

function start() {
  fillFilters();
  apply();
  controls.addEventListener("submit", (event) => event.preventDefault());
  controls.addEventListener("input", apply);
  byId("clear").addEventListener("click", clearFilter);
  byId("previous").addEventListener("click", () => showPage(view.page - 1));
  byId("following").addEventListener("click", () => showPage(view.page + 1));
  document.addEventListener("keydown", onKey);
  window.addEventListener("hashchange", () => openFinding(decodeURIComponent(location.hash.slice(1))));
  byId("static").remove();
  ["controls", "keys", "pager", "list"].forEach((id) => { byId(id).hidden = false; });
  if (/^#f-/.test(location.hash)) {
    openFinding(decodeURIComponent(location.hash.slice(1)));
  }
  document.documentElement.dataset.findings = String(ROWS.length);
}

start();

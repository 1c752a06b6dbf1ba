"use strict";
// The report's data, and what the filters leave of it.

const report = JSON.parse(document.getElementById("data").textContent);
const EFFECTS = report.summary.effects.map((count) => count.name);
const STATUSES = report.summary.statuses.map((count) => count.name);
const WORDS = {
  "fine": "fine", "answers-no": "check answers no", "guarded": "guarded",
  "program-fails": "program fails", "object-fails": "object fails",
};

/** For each verdict, its place on both scales. */
const rank = report.verdicts.map((verdict) => ({
  effect: EFFECTS.indexOf(verdict.effect),
  status: STATUSES.indexOf(verdict.status),
}));

/** Kernels of one distribution, version, architecture and series. */
const groups = [];
report.kernels.forEach((kernel, index) => {
  const key = [kernel.distro, kernel.version, kernel.arch, kernel.series].join("\n");
  let group = groups[groups.length - 1];
  if (!group || group.key !== key) {
    group = { key, first: kernel, kernels: [], wanted: null, open: false };
    groups.push(group);
  }
  group.kernels.push(index);
});
/** As many kernels stand in a column each, unless one wants it otherwise. */
const FEW = 90;

/** What a row can be found by. */
const rowText = report.relocations.map((relocation) => {
  const words = [relocation.term, relocation.kind];
  for (const site of relocation.sites) {
    const place = report.functions[site.function];
    words.push(place.name, place.section, place.object, site.file || "");
  }
  return words.join(" ").toLowerCase();
});
const kernelText = report.kernels.map((kernel) => kernel.kernel.toLowerCase());

const fails = (verdict) => report.verdicts[verdict].effect.endsWith("fails");
const plural = (count, one) => `${count.toLocaleString("en")} ${one}${count === 1 ? "" : "s"}`;

const view = {
  scale: "effect", sort: "worst", relocation: "", kernel: "", function: "", failing: false,
  effects: new Set(), rows: [], counts: [], columns: [], widths: new Map(), selected: null,
};

function matches(text, words) {
  return words.every((word) => text.includes(word));
}

/** Works out which rows and columns are shown. */
function refresh() {
  const wantedKernel = view.kernel.toLowerCase().split(/\s+/).filter(Boolean);
  const isShown = (index) =>
    matches(kernelText[index], wantedKernel) && !(view.failing && report.kernels[index].verdict !== "fails");
  const parts = groups.map((group) => [group, group.kernels.filter(isShown)]);
  const few = parts.reduce((sum, [, kernels]) => sum + kernels.length, 0) <= FEW;
  view.columns = [];
  const shown = new Map(); // distinct column -> how many shown kernels have it
  for (const [group, kernels] of parts) {
    group.open = group.wanted ?? few;
    for (const index of kernels) {
      const column = report.kernels[index].column;
      shown.set(column, (shown.get(column) || 0) + 1);
    }
    if (kernels.length === 0) continue;
    if (group.open || kernels.length === 1) {
      for (const index of kernels) view.columns.push({ group, kernels: [index], cells: new Map() });
    } else {
      view.columns.push({ group, kernels, cells: new Map() });
    }
  }
  // How many columns each distribution has.
  view.widths = new Map();
  for (const { group: { first } } of view.columns) view.widths.set(first.distro, (view.widths.get(first.distro) || 0) + 1);
  const wanted = view.relocation.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = [];
  report.relocations.forEach((relocation, row) => {
    if (!matches(rowText[row], wanted)) return;
    if (view.function !== "" && !relocation.sites.some((site) => site.function === Number(view.function))) return;
    const counts = new Array(EFFECTS.length).fill(0);
    for (const [column, kernels] of shown) {
      counts[rank[report.columns[column][row]].effect] += kernels;
    }
    if (view.effects.size && !counts.some((count, effect) => count && view.effects.has(EFFECTS[effect]))) return;
    rows.push({ row, counts });
  });
  if (view.sort === "worst") {
    const worse = (a, b) => {
      for (let effect = EFFECTS.length - 1; effect > 0; effect--) {
        if (a.counts[effect] !== b.counts[effect]) return b.counts[effect] - a.counts[effect];
      }
      return a.row - b.row;
    };
    rows.sort(worse);
  }
  view.rows = rows.map((entry) => entry.row);
  view.counts = rows.map((entry) => entry.counts);
}

/** On how many of the kernels shown something fails because of a row. */
function failing(at) {
  return view.counts[at][EFFECTS.indexOf("program-fails")] + view.counts[at][EFFECTS.indexOf("object-fails")];
}

/** The verdicts of a cell: for each verdict how many kernels, the worst first. */
function cell(column, row) {
  let found = column.cells.get(row);
  if (!found) {
    const counts = new Map();
    for (const index of column.kernels) {
      const verdict = report.columns[report.kernels[index].column][row];
      counts.set(verdict, (counts.get(verdict) || 0) + 1);
    }
    found = [...counts].sort(([a], [b]) => rank[b].effect - rank[a].effect || rank[b].status - rank[a].status);
    column.cells.set(row, found);
  }
  return found;
}

function groupName({ first }) {
  return `${first.distro}/${first.version}/${first.arch} ${first.series}`;
}

function columnName(column) {
  if (column.kernels.length === 1) return report.kernels[column.kernels[0]].kernel;
  return `${groupName(column.group)}, ${plural(column.kernels.length, "kernel")}`;
}

/** Kernels by their groups: [group, kernels] in the order of the report. */
function inGroups(kernels) {
  const wanted = new Set(kernels);
  return groups
    .map((group) => [group, group.kernels.filter((index) => wanted.has(index))])
    .filter(([, some]) => some.length > 0);
}

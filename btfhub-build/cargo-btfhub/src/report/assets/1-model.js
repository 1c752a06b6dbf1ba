"use strict";
// The report's data, and what the filters leave of it.

const report = JSON.parse(document.getElementById("data").textContent);
const plural = (count, one) => `${count.toLocaleString("en")} ${one}${count === 1 ? "" : "s"}`;

/** Verdicts on programs, best to worst: the name in the style sheet, and the word that is shown. */
const PROGRAM_KINDS = [
  { name: "runs", word: "expected to run" },
  { name: "unknown", word: "unknown" },
  { name: "likely", word: "likely fails" },
  { name: "fails", word: "fails" },
];
const EFFECT_KINDS = [
  { name: "fine", word: "fine" },
  { name: "answers-no", word: "check answers no" },
  { name: "guarded", word: "guarded" },
  { name: "wrong-value", word: "wrong value" },
  { name: "program-fails", word: "program fails" },
  { name: "object-fails", word: "object fails" },
];

function programKind({ verdict, certainty }) {
  if (verdict === "runs") return 0;
  if (verdict === "unknown") return 1;
  return certainty === "likely" ? 2 : 3;
}

/** Adds a row for each object that does worse than each of its programs by itself. */
function addWholeObjects() {
  const pairs = new Map(); // columns of programs and of objects -> the new column
  const columns = [], odd = [];
  for (const kernel of report.kernels) {
    const key = `${kernel.program_column} ${kernel.object_column}`;
    if (!pairs.has(key)) {
      pairs.set(key, columns.length);
      const own = report.program_columns[kernel.program_column];
      columns.push([...own]);
      odd.push(report.object_columns[kernel.object_column].map((verdict, object) => {
        const worst = own.reduce((most, its, at) =>
          (report.programs[at].object === report.objects[object] ? Math.max(most, programKind(report.program_verdicts[its])) : most), 0);
        return programKind(report.object_verdicts[verdict]) > worst ? verdict : null;
      }));
    }
    kernel.program_column = pairs.get(key);
  }
  report.program_columns = columns;
  const runs = report.program_verdicts.length;
  report.program_verdicts.push({ verdict: "runs", certainty: null, reasons: [] }, ...report.object_verdicts);
  report.objects.forEach((object, at) => {
    if (odd.every((verdicts) => verdicts[at] === null)) return;
    report.programs.push({ object, name: "(all programs together)", section: "" });
    columns.forEach((column, number) => column.push(odd[number][at] === null ? runs : runs + 1 + odd[number][at]));
  });
}
addWholeObjects();

/** What is wrong, without the place in the source and what to do. */
const factOf = ({ text }) => text.split(/: |; | \(in /)[0];

/** What the map can show: rows, and for each kernel a list of verdicts on them. */
const LEVELS = {
  programs: {
    name: "programs", one: "program", kinds: PROGRAM_KINDS, rows: report.programs,
    verdicts: report.program_verdicts, columns: report.program_columns,
    columnOf: (kernel) => kernel.program_column,
    kindOf: programKind, firstBad: 2,
    label: (program) => program.name || "(no symbol)",
    group: (program) => program.object,
    words: (program) => `${program.name} ${program.section} ${program.object}`,
    reason: (verdict) => verdict.reasons.map(({ text }) => text).join("; "),
    fact: (verdict) => verdict.reasons.map(factOf).join("; "),
  },
  relocations: {
    name: "relocations", one: "relocation", kinds: EFFECT_KINDS, rows: report.relocations,
    verdicts: report.verdicts, columns: report.columns,
    columnOf: (kernel) => kernel.column,
    kindOf: ({ effect }) => EFFECT_KINDS.findIndex(({ name }) => name === effect), firstBad: 3,
    // Without the common prefix of the macros in bpf_core_read.h.
    label: ({ term }) => term.replace(/^bpf_core_/, ""),
    group: () => "",
    words: ({ term, kind, sites }) => [term, kind, ...sites.flatMap((site) => {
      const place = report.functions[site.function];
      return [place.name, place.section, place.object, site.file || ""];
    })].join(" "),
    reason: ({ reason }) => reason,
    fact: ({ reason }) => reason,
  },
};
/** A row for an object with all its programs does not count as a program. */
const isCounted = (row) => row.section !== "";
for (const level of Object.values(LEVELS)) {
  level.count = level.rows.filter(isCounted).length;
  level.kind = level.verdicts.map(level.kindOf); // of each verdict
  level.text = level.rows.map((row) => level.words(row).toLowerCase());
}

/** The fields that group kernels: those of a directory, then the series. */
const FIELDS = ["distro", "version", "arch", "series"];
const groups = [];
report.kernels.forEach((kernel, index) => {
  const key = FIELDS.map((field) => kernel[field]).join("\n");
  let group = groups[groups.length - 1];
  if (!group || group.key !== key) {
    group = { key, first: kernel, kernels: [], directory: null, wanted: null };
    const before = groups[groups.length - 1];
    const isSame = before && FIELDS.slice(0, 3).every((field) => before.first[field] === kernel[field]);
    group.directory = isSame ? before.directory : { first: kernel, wanted: null };
    groups.push(group);
  }
  group.kernels.push(index);
});
const kernelText = report.kernels.map((kernel) => kernel.kernel.toLowerCase());

/** The level that decides whether a kernel is bad: programs, or relocations if there are none. */
const judged = report.programs.length ? LEVELS.programs : LEVELS.relocations;
const worstOf = judged.columns.map((column) => column.reduce((worst, verdict) => Math.max(worst, judged.kind[verdict]), 0));
const worstOn = report.kernels.map((kernel) => worstOf[judged.columnOf(kernel)]);

const view = {
  level: judged, sort: "worst", row: "", kernel: "", failing: false, grain: "auto", program: null,
  kinds: new Set(), closed: new Set(), rows: [], columns: [], selected: null,
};
/** With more programs than this, objects start out closed, one row each. */
const MANY_ROWS = 150;
if (judged === LEVELS.programs && judged.rows.length > MANY_ROWS) {
  for (const program of judged.rows) view.closed.add(program.object);
}

function wordsOf(text) {
  return text.toLowerCase().split(/\s+/).filter(Boolean);
}

/** How many of some kernels have each of the level's distinct columns. */
function shares(kernels) {
  const counts = new Map();
  for (const index of kernels) {
    const column = view.level.columnOf(report.kernels[index]);
    counts.set(column, (counts.get(column) || 0) + 1);
  }
  return counts;
}

/** The columns at a grain (kernel, series or directory), as they are or with what was opened and closed. */
function columnsAt(grain, parts, wanted = ({ wanted }) => wanted) {
  const columns = [];
  for (const [group, kernels] of parts) {
    const before = columns[columns.length - 1];
    const isWide = !(wanted(group.directory) ?? grain !== "directories");
    if (isWide && before && before.grain === "directories" && before.group.directory === group.directory) {
      before.kernels.push(...kernels);
    } else if (isWide) {
      columns.push({ group, kernels: [...kernels], grain: "directories" });
    } else if (kernels.length > 1 && !(wanted(group) ?? grain === "kernels")) {
      columns.push({ group, kernels, grain: "series" });
    } else {
      for (const index of kernels) columns.push({ group, kernels: [index], grain: "kernels" });
    }
  }
  return columns;
}

/** Works out which rows and columns are shown; `room` is how many columns can be read at once. */
function refresh(room) {
  const wanted = wordsOf(view.kernel);
  const isShown = (index) =>
    wanted.every((word) => kernelText[index].includes(word)) && !(view.failing && worstOn[index] < judged.firstBad);
  const parts = groups
    .map((group) => [group, group.kernels.filter(isShown)])
    .filter(([, kernels]) => kernels.length > 0);
  const grains = view.grain === "auto" ? ["kernels", "series", "directories"] : [view.grain];
  const candidates = grains.map((grain) => columnsAt(grain, parts, () => null));
  let fitting = candidates.findIndex((columns) => columns.length <= room);
  if (fitting === -1) fitting = candidates.length - 1;
  // If that leaves most of the room empty, take the finer grain and scroll.
  const isPoor = fitting > 0 && candidates[fitting].length * 4 < room && candidates[fitting - 1].length <= room * 3;
  view.columns = columnsAt(grains[isPoor ? fitting - 1 : fitting], parts);
  for (const column of view.columns) {
    column.shares = shares(column.kernels);
    column.cells = new Map();
  }
  view.kernels = parts.flatMap(([, kernels]) => kernels);
  refreshRows();
}

function refreshRows() {
  const { level } = view;
  const wanted = wordsOf(view.row);
  const of = view.program === null ? null : functionsOf(report.programs[view.program]);
  view.shares = shares(view.kernels);
  const rows = [];
  level.rows.forEach((row, index) => {
    if (!wanted.every((word) => level.text[index].includes(word))) return;
    if (of && level === LEVELS.relocations && !row.sites.some((site) => of.has(site.function))) return;
    const counts = countsOf(view.shares, [index]);
    if (view.kinds.size && !counts.some((count, kind) => count && view.kinds.has(level.kinds[kind].name))) return;
    rows.push(withFailing({ index, members: [index], counts, label: level.label(row), group: level.group(row) }));
  });
  view.items = rows.filter(({ index }) => isCounted(level.rows[index])).length;
  const worse = (a, b) => {
    if (a.failing !== b.failing) return b.failing - a.failing;
    for (let kind = level.kinds.length - 1; kind > 0; kind--) {
      if (a.counts[kind] !== b.counts[kind]) return b.counts[kind] - a.counts[kind];
    }
    return 0;
  };
  if (view.sort === "worst") rows.sort((a, b) => worse(a, b) || a.index - b.index);
  view.rows = grouped(rows, worse);
}

/** A row, and on how many of the kernels shown it fails. */
function withFailing(row) {
  return Object.assign(row, { failing: failingKernels(row, view.shares) });
}

/** Rows under their objects, if there are several: the object's own row comes first. */
function grouped(rows, worse) {
  const by = new Map();
  for (const row of rows) {
    if (!by.has(row.group)) by.set(row.group, []);
    by.get(row.group).push(row);
  }
  if (by.size < 2) return rows;
  const heads = [...by].map(([name, its]) => withFailing({
    index: null, group: name, label: name, its, members: its.map(({ index }) => index),
    counts: its[0].counts.map((_, kind) => its.reduce((sum, { counts }) => sum + counts[kind], 0)),
  }));
  if (view.sort === "worst") heads.sort(worse);
  return heads.flatMap((head) => (view.closed.has(head.group) ? [head] : [head, ...head.its]));
}

/** For each kind of verdict, how often some rows have it on kernels with these columns. */
function countsOf(ofColumns, members) {
  const counts = new Array(view.level.kinds.length).fill(0);
  for (const [number, kernels] of ofColumns) {
    const verdicts = view.level.columns[number];
    for (const index of members) counts[view.level.kind[verdicts[index]]] += kernels;
  }
  return counts;
}

/** The counts of a cell, computed once. */
function cell(column, row) {
  let found = column.cells.get(row);
  if (!found) {
    found = countsOf(column.shares, row.members);
    column.cells.set(row, found);
  }
  return found;
}

/** The worst kind that occurs. */
function worst(counts) {
  return counts.findLastIndex((count) => count > 0);
}

/** On how many kernels with these columns a row, or any below it, fails. */
function failingKernels(row, ofColumns) {
  const { level } = view;
  let failing = 0;
  for (const [number, count] of ofColumns) {
    const verdicts = level.columns[number];
    if (row.members.some((index) => level.kind[verdicts[index]] >= level.firstBad)) failing += count;
  }
  return failing;
}

/** The functions of a program, and those of its object that it may call. */
function functionsOf(program) {
  const of = new Set();
  report.functions.forEach((place, index) => {
    const isIts = place.section === program.section && place.name === program.name;
    if (place.object === program.object && (isIts || place.section === ".text")) of.add(index);
  });
  return of;
}

function directoryName({ first }) {
  return `${first.distro} ${first.version} ${first.arch}`;
}

function groupName(group) {
  return `${directoryName(group)} ${group.first.series}`;
}

function columnName({ group, kernels, grain }) {
  if (kernels.length === 1) return report.kernels[kernels[0]].kernel;
  return `${grain === "directories" ? directoryName(group) : groupName(group)}, ${plural(kernels.length, "kernel")}`;
}

/** Kernels by their groups: [group, kernels] in the order of the report. */
function inGroups(kernels) {
  const wanted = new Set(kernels);
  return groups
    .map((group) => [group, group.kernels.filter((index) => wanted.has(index))])
    .filter(([, some]) => some.length > 0);
}

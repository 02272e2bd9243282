// Rows of the benchmark, as a table for people and as JSON lines for programs.

/** What a row must reach: its ratio if it has one, else its value, compared with `floor`. */
export interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly ratio?: number;
  readonly floor?: number;
  /** Whether the floor is the least (default) or the greatest that is allowed. */
  readonly bound?: "at least" | "at most";
  /** What the ratio compares with. */
  readonly comparedWith?: string;
}

export function missesFloor(row: Row): boolean {
  if (row.floor === undefined) return false;
  const reached = row.ratio ?? row.value;
  return row.bound === "at most" ? !(reached <= row.floor) : !(reached >= row.floor);
}

export function toJson(row: Row): string {
  const { name, value, unit, ratio, floor } = row;
  return JSON.stringify({ name, value: rounded(value), unit, ratio: rounded(ratio), floor });
}

export function printTable(rows: readonly Row[]): void {
  const cells = [
    ["name", "value", "", "ratio", "", "floor", ""],
    ...rows.map((row) => [
      row.name,
      text(row.value),
      row.unit,
      row.ratio === undefined ? "" : `${text(row.ratio)}×`,
      row.comparedWith ?? "",
      row.floor === undefined ? "" : `${row.bound ?? "at least"} ${text(row.floor)}`,
      row.floor === undefined ? "" : missesFloor(row) ? "MISSED" : "ok",
    ]),
  ];
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  for (const row of cells) {
    const padded = row.map((cell, column) =>
      NUMERIC_COLUMNS.has(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)
    );
    console.log(padded.join("  ").trimEnd());
  }
}

const NUMERIC_COLUMNS = new Set([1, 3]);

/** Three significant digits are more than a run on a shared machine can promise. */
function text(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en-US") : String(rounded(value));
}

function rounded(value: number): number;
function rounded(value: number | undefined): number | undefined;
function rounded(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Number(value.toPrecision(3));
}

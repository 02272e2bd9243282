// The shape of stored values as tools are shown it (spec http-api 8.5): what types a table's fields
// were found to have. Values are added one by one; the result is JSON.

import { identifierProblem } from "../engine/values/field.ts";
import { tableNumberOf } from "../engine/values/id.ts";
import { isValueObject, type Json, typeName, type Value } from "../engine/values/value.ts";

/** An object with more fields than this, over all values, is taken for a record. */
const OBJECT_FIELDS_MAX = 64;

const SCALARS = { Null: "Null", Int64: "Int64", Boolean: "Boolean", Bytes: "Bytes" } as const;

/** The name of the table that ids with that number belong to. */
export type TableOfNumber = (number: number) => string | null;

interface ObjectField {
  readonly values: ValueShape;
  /** Objects that have it. */
  count: number;
}

/** The shape of all values that were added. */
export class ValueShape {
  readonly #tableOfNumber: TableOfNumber;
  readonly #scalars = new Set<string>();
  readonly #idTables = new Set<string>();
  #hasStrings = false;
  #floats: { hasSpecialValues: boolean } | null = null;
  #elements: ValueShape | null = null;
  #objects = 0;
  readonly #fields = new Map<string, ObjectField>();

  constructor(tableOfNumber: TableOfNumber) {
    this.#tableOfNumber = tableOfNumber;
  }

  add(value: Value): void {
    if (typeof value === "string") return this.#addString(value);
    if (typeof value === "number") return this.#addFloat(value);
    if (Array.isArray(value)) {
      this.#elements ??= new ValueShape(this.#tableOfNumber);
      for (const element of value) this.#elements.add(element);
    } else if (isValueObject(value)) {
      this.#addObject(value);
    } else {
      this.#scalars.add(SCALARS[typeName(value) as keyof typeof SCALARS]);
    }
  }

  toJson(): Json {
    const shapes: Json[] = [...this.#scalars].sort().map((type) => ({ type }));
    if (this.#floats !== null) shapes.push({ type: "Float64", float64Range: { ...this.#floats } });
    if (this.#hasStrings) shapes.push({ type: "String" });
    else for (const tableName of [...this.#idTables].sort()) shapes.push({ type: "Id", tableName });
    if (this.#elements !== null) shapes.push({ type: "Array", shape: this.#elements.toJson() });
    if (this.#objects > 0) shapes.push(this.#isRecord ? this.#recordShape() : this.#objectShape());
    if (shapes.length === 0) return { type: "Never" };
    return shapes.length === 1 ? shapes[0]! : { type: "Union", shapes };
  }

  #addString(text: string): void {
    const number = tableNumberOf(text);
    const table = number === null ? null : this.#tableOfNumber(number);
    if (table === null) this.#hasStrings = true;
    else this.#idTables.add(table);
  }

  #addFloat(value: number): void {
    const isSpecial = !Number.isFinite(value) || Object.is(value, -0);
    this.#floats ??= { hasSpecialValues: false };
    if (isSpecial) this.#floats.hasSpecialValues = true;
  }

  #addObject(object: { readonly [field: string]: Value }): void {
    this.#objects++;
    for (const [name, value] of Object.entries(object)) {
      const field = this.#field(name);
      field.count++;
      field.values.add(value);
    }
  }

  #field(name: string): ObjectField {
    let field = this.#fields.get(name);
    if (field === undefined) {
      field = { values: new ValueShape(this.#tableOfNumber), count: 0 };
      this.#fields.set(name, field);
    }
    return field;
  }

  /** Adds everything that another shape was made of. */
  #addAll(other: ValueShape): void {
    for (const scalar of other.#scalars) this.#scalars.add(scalar);
    for (const table of other.#idTables) this.#idTables.add(table);
    this.#hasStrings ||= other.#hasStrings;
    if (other.#floats !== null) {
      this.#floats ??= { hasSpecialValues: false };
      this.#floats.hasSpecialValues ||= other.#floats.hasSpecialValues;
    }
    if (other.#elements !== null) {
      this.#elements ??= new ValueShape(this.#tableOfNumber);
      this.#elements.#addAll(other.#elements);
    }
    this.#objects += other.#objects;
    for (const [name, { values, count }] of other.#fields) {
      const field = this.#field(name);
      field.count += count;
      field.values.#addAll(values);
    }
  }

  get #isRecord(): boolean {
    if (this.#fields.size > OBJECT_FIELDS_MAX) return true;
    return [...this.#fields.keys()].some((name) => identifierProblem(name) !== null);
  }

  #recordShape(): Json {
    const values = new ValueShape(this.#tableOfNumber);
    for (const field of this.#fields.values()) values.#addAll(field.values);
    const valueShape = { optional: false, shape: values.toJson() };
    return { type: "Record", keyShape: { type: "String" }, valueShape };
  }

  #objectShape(): Json {
    const fields = [...this.#fields].sort(([a], [b]) => a < b ? -1 : 1);
    return {
      type: "Object",
      fields: fields.map(([fieldName, { values, count }]) => ({
        fieldName,
        optional: count < this.#objects,
        shape: values.toJson(),
      })),
    };
  }
}

// The tables whose ids a validator speaks of.

import type { Validator } from "./validator.ts";

/** Names of the tables of all `v.id(…)` within the validator. */
export function validatorTables(validator: Validator): Set<string> {
  const names = new Set<string>();
  collect(validator, names);
  return names;
}

function collect(validator: Validator, names: Set<string>): void {
  switch (validator.type) {
    case "id":
      names.add(validator.tableName);
      break;
    case "array":
      collect(validator.value, names);
      break;
    case "object":
      for (const { fieldType } of validator.fields) collect(fieldType, names);
      break;
    case "record":
      collect(validator.keys, names);
      collect(validator.values.fieldType, names);
      break;
    case "union":
      for (const branch of validator.value) collect(branch, names);
      break;
  }
}

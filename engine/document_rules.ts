// What makes an object a document (spec values-and-queries 6.2): its system fields, its shape and
// its size.

import { userError } from "./errors.ts";
import type { TransactionLimits } from "./limits.ts";
import { OBJECT_FIELDS_MAX } from "./values/json.ts";
import { printFloat, printString, printValue } from "./values/print.ts";
import { formatSize, nestingOf, sizeOf } from "./values/size.ts";
import type { ValueObject } from "./values/value.ts";

const VIOLATION_SEPARATOR = "\n ";

/**
 * Sets the system fields. Those that the object already has must be equal. Returns how deep the
 * document is nested.
 * @throws PlatformError InvalidIdError, InvalidCreationTimeError, TooManyFieldsError,
 *   InvalidDocumentError
 */
export function completeDocument(
  fields: ValueObject,
  id: string,
  creationTime: number,
  limits: TransactionLimits,
): number {
  if (Object.hasOwn(fields, "_id") && fields._id !== id) {
    throw userError(
      "InvalidIdError",
      `Provided document ID ${printString(id)} doesn't match '_id' field ${printValue(fields._id)}`,
    );
  }
  if (Object.hasOwn(fields, "_creationTime") && fields._creationTime !== creationTime) {
    throw userError(
      "InvalidCreationTimeError",
      `Provided creation time ${printFloat(creationTime)} doesn't match '_creationTime' field in ` +
        printValue(fields),
    );
  }
  fields._id = id;
  fields._creationTime = creationTime;
  checkFieldCount(fields);
  const nesting = nestingOf(fields);
  const violations = shapeViolations(fields, nesting, limits.documentNesting);
  if (violations.length > 0) {
    throw userError(
      "InvalidDocumentError",
      `Document(value: ${printValue(fields)}) isn't a valid document: ` +
        violations.join(VIOLATION_SEPARATOR),
    );
  }
  return nesting;
}

function shapeViolations(
  document: ValueObject,
  nesting: number,
  nestingMax: number,
): string[] {
  const violations: string[] = [];
  if (nesting > nestingMax) {
    violations.push(
      `Document is too nested (nested ${nesting} levels deep > maximum nesting ${nestingMax})`,
    );
  }
  for (const field of Object.keys(document)) {
    if (field.startsWith("_") && field !== "_id" && field !== "_creationTime") {
      violations.push(
        `Field '${field}' starts with an underscore, which is only allowed for system fields like ` +
          "'_id'",
      );
    }
  }
  return violations;
}

/** System fields count too, so that a document that was read can be written again. */
function checkFieldCount(fields: ValueObject): void {
  const count = Object.keys(fields).length;
  if (count > OBJECT_FIELDS_MAX) {
    throw userError(
      "TooManyFieldsError",
      `Object has too many fields (${count} > maximum number ${OBJECT_FIELDS_MAX})`,
    );
  }
}

/**
 * The document's size in bytes.
 * @throws PlatformError ValueTooLargeError
 */
export function checkDocumentSize(document: ValueObject, limits: TransactionLimits): number {
  const size = sizeOf(document);
  if (size > limits.documentBytes) {
    throw userError(
      "ValueTooLargeError",
      `Value is too large (${formatSize(size)} > maximum size ${formatSize(limits.documentBytes)})`,
    );
  }
  return size;
}

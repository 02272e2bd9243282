// Imports the module that imports it.
import { fromModules } from "../modules.ts";

export function askBack(): string {
  return fromModules();
}

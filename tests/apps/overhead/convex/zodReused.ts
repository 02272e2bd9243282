// The same, with leave to use instances again.
export { empty } from "./zod.ts";
export const experimental_reuseContext = true;

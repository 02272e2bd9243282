// Function handles as values: strings that name a function wherever they are passed (spec components 7).

export const HANDLE_PREFIX = "function://";

/** The id; what follows `#` is for people. */
const HANDLE = /^function:\/\/[0-9a-z]+(?:#|$)/;

/** Whether it has the form of a handle; the function may be gone. */
export function isFunctionHandle(text: string): boolean {
  return HANDLE.test(text);
}

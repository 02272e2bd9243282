// The error that a failed syscall throws in user code.

/** @param data JSON text of a ConvexError's data */
export function syscallError(message: string, data: string | undefined): Error {
  const error = new Error(message);
  if (data !== undefined) (error as Error & { data?: unknown }).data = JSON.parse(data);
  return error;
}

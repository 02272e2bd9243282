// `formData()` of requests and responses: a form has all its parts in memory, so it is bounded.

/** Bytes of a multipart body (spec function-runtime 6). */
const FORM_BYTES_MAX = 20 * 1024 * 1024;

const parseForm = Response.prototype.formData;

/**
 * The form in a body.
 * @param parse the platform's own `formData()` of the message
 * @throws TypeError `invalid multi-part form: '…'`
 */
export async function formOf(
  message: Request | Response,
  parse: (this: Request | Response) => Promise<FormData>,
): Promise<FormData> {
  const type = message.headers.get("content-type") ?? "";
  const { body } = message;
  if (!/^\s*multipart\/form-data\b/i.test(type) || body === null || message.bodyUsed) {
    return await parse.call(message);
  }
  try {
    const bytes = new Blob(await readBounded(body));
    return await parseForm.call(new Response(bytes, { headers: { "content-type": type } }));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TypeError(`invalid multi-part form: '${reason}'`);
  }
}

/** @throws TypeError for a locked body, RangeError for one that is too long */
async function readBounded(body: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<BlobPart[]> {
  const chunks: BlobPart[] = [];
  let size = 0;
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return chunks;
    size += value.length;
    if (size > FORM_BYTES_MAX) {
      reader.cancel().catch(() => {});
      throw new RangeError(`the form is longer than ${FORM_BYTES_MAX} bytes`);
    }
    chunks.push(value);
  }
}

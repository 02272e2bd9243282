// Answers to HEAD: what GET would say, without its body.

/**
 * The answer with the length of its body in the body's place. Deno would leave a body out by itself
 * over HTTP/1 alone.
 */
export async function headOf(response: Response): Promise<Response> {
  const { status, headers, body } = response;
  if (body !== null) {
    const { length } = await response.bytes();
    headers.set("content-length", String(length));
  }
  return new Response(null, { status, headers });
}

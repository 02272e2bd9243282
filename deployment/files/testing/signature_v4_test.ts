import assert from "node:assert/strict";
import { signatureProblem, type SignedRequest } from "./signature_v4.ts";

const SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/** An example of the S3 documentation: `GET Object` with a range. */
const PUBLISHED: SignedRequest = {
  method: "GET",
  target: "/test.txt",
  headers: {
    host: "examplebucket.s3.amazonaws.com",
    range: "bytes=0-9",
    "x-amz-content-sha256": EMPTY,
    "x-amz-date": "20130524T000000Z",
    authorization:
      "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, " +
      "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, " +
      "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
  },
  body: new Uint8Array(),
};

Deno.test("the published example is accepted, and anything else than it is not", () => {
  assert.equal(signatureProblem(PUBLISHED, SECRET), null);
  const other = (change: Partial<SignedRequest>) =>
    signatureProblem({ ...PUBLISHED, ...change }, SECRET);
  assert.equal(signatureProblem(PUBLISHED, "another"), "the signature does not match");
  assert.equal(other({ method: "PUT" }), "the signature does not match");
  assert.equal(other({ target: "/test.txt?acl" }), "the signature does not match");
  assert.equal(
    other({ headers: { ...PUBLISHED.headers, range: "bytes=0-99" } }),
    "the signature does not match",
  );
  assert.equal(
    other({ body: new Uint8Array([1]) }),
    "the body is not the one that was signed",
  );
  assert.equal(other({ headers: {} }), "there is no signature");
});

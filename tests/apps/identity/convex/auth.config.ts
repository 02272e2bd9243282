// Kinds of providers: OpenID Connect issuers, one of them for two applications, this very server,
// and custom JWTs with inline keys, for any audience, and with keys elsewhere, for one.
export default {
  providers: [
    { domain: process.env.ISSUER_URL, applicationID: "app" },
    { domain: process.env.ISSUER_URL, applicationID: "other-app" },
    { domain: process.env.PROVIDER_URL, applicationID: "app" },
    { domain: process.env.CONVEX_SITE_URL, applicationID: "self" },
    // Addresses that the operator has denied.
    { domain: "http://127.0.0.9:9", applicationID: "app" },
    {
      type: "customJwt",
      issuer: "https://denied.example",
      jwks: "http://127.0.0.9:9/keys",
      algorithm: "RS256",
    },
    {
      type: "customJwt",
      issuer: process.env.CONVEX_CLOUD_URL,
      jwks: `${process.env.CONVEX_CLOUD_URL}/.well-known/jwks.json`,
      algorithm: "ES256",
      applicationID: "own",
    },
    {
      type: "customJwt",
      issuer: "https://custom.example",
      jwks: `data:text/plain,${encodeURIComponent(process.env.JWKS!)}`,
      algorithm: "RS256",
    },
    {
      type: "customJwt",
      issuer: "https://remote.example",
      jwks: `${process.env.ISSUER_URL}/jwks`,
      algorithm: "RS256",
      applicationID: "app",
    },
  ],
};
